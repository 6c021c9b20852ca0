"""create push"""

import sqlalchemy as sa
from alembic import op

from core.db import BigInt, Json, UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "push_policies",
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("quiet_from", BigInt, nullable=False),
        sa.Column("quiet_until", BigInt, nullable=False),
        sa.Column("cap_per_day", BigInt, nullable=False),
        sa.Column("cap_per_week", BigInt, nullable=False),
        sa.CheckConstraint("cap_per_day >= 1 AND cap_per_week >= cap_per_day", name=op.f("ck_push_policies_cap_order")),
        sa.CheckConstraint(
            "quiet_from BETWEEN 0 AND 23 AND quiet_until BETWEEN 0 AND 23", name=op.f("ck_push_policies_hours")
        ),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_push_policies_chain_id_chains")),
        sa.PrimaryKeyConstraint("chain_id", name=op.f("pk_push_policies")),
    )
    op.create_table(
        "campaigns",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("offer_id", BigInt, nullable=True),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("audience", Json, nullable=False),
        sa.Column("channels", Json, nullable=False),
        sa.Column("title", sa.String(length=80), nullable=False),
        sa.Column("title_en", sa.String(length=120), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("body_en", sa.Text(), nullable=False),
        sa.Column("schedule", Json, nullable=False),
        sa.Column("send_at", UtcDateTime(), nullable=True),
        sa.Column("send_until", UtcDateTime(), nullable=True),
        sa.Column("next_run_at", UtcDateTime(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "(state = 'scheduled') <= (next_run_at IS NOT NULL)", name=op.f("ck_campaigns_scheduled_has_time")
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'scheduled', 'running', 'paused', 'finished', 'cancelled', 'missed')",
            name=op.f("ck_campaigns_state_known"),
        ),
        sa.CheckConstraint(
            "send_at IS NULL OR send_until IS NULL OR send_at < send_until", name=op.f("ck_campaigns_window_order")
        ),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_campaigns_chain_id_chains")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_campaigns_offer_id_offers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
    )
    with op.batch_alter_table("campaigns", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_campaigns_chain_id_id"), ["chain_id", "id"], unique=False)
        batch_op.create_index(
            "ix_campaigns_due",
            ["next_run_at"],
            unique=False,
            sqlite_where=sa.text("state = 'scheduled'"),
            postgresql_where=sa.text("state = 'scheduled'"),
        )

    op.create_table(
        "consents",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("member_id", BigInt, nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("is_granted", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("channel IN ('inbox', 'email', 'gateway')", name=op.f("ck_consents_channel_known")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_consents_chain_id_chains")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_consents_member_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_consents_chain_id_id"), ["chain_id", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_consents_member_id_channel_id"), ["member_id", "channel", "id"], unique=False
        )

    op.create_table(
        "campaign_runs",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("campaign_id", BigInt, nullable=False),
        sa.Column("offer_id", BigInt, nullable=True),
        sa.Column("title", sa.String(length=80), nullable=False),
        sa.Column("title_en", sa.String(length=120), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("body_en", sa.Text(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("send_until", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("audience_count", BigInt, nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "(state = 'finished') = (finished_at IS NOT NULL)", name=op.f("ck_campaign_runs_finished_has_time")
        ),
        sa.CheckConstraint(
            "state IN ('running', 'paused', 'finished', 'cancelled')", name=op.f("ck_campaign_runs_state_known")
        ),
        sa.CheckConstraint("audience_count >= 0", name=op.f("ck_campaign_runs_audience_not_negative")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_campaign_runs_campaign_id_campaigns")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_campaign_runs_chain_id_chains")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_campaign_runs_offer_id_offers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_runs")),
        sa.UniqueConstraint("campaign_id", "due_at", name=op.f("uq_campaign_runs_campaign_id_due_at")),
    )
    with op.batch_alter_table("campaign_runs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_campaign_runs_chain_id_id"), ["chain_id", "id"], unique=False)

    op.create_table(
        "deliveries",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("campaign_id", BigInt, nullable=False),
        sa.Column("run_id", BigInt, nullable=False),
        sa.Column("member_id", BigInt, nullable=False),
        sa.Column("card_id", BigInt, nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=True),
        sa.Column("coupon_id", BigInt, nullable=True),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("leased_until", UtcDateTime(), nullable=True),
        sa.Column("attempts", BigInt, nullable=False),
        sa.Column("error", sa.String(length=200), nullable=True),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("read_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "(state = 'sending') = (leased_until IS NOT NULL)", name=op.f("ck_deliveries_lease_means_sending")
        ),
        sa.CheckConstraint("(state = 'skipped') = (reason IS NOT NULL)", name=op.f("ck_deliveries_skipped_has_reason")),
        sa.CheckConstraint(
            "(state IN ('sent', 'delivered')) <= (sent_at IS NOT NULL)", name=op.f("ck_deliveries_sent_has_time")
        ),
        sa.CheckConstraint("channel IN ('inbox', 'email', 'gateway')", name=op.f("ck_deliveries_channel_known")),
        sa.CheckConstraint(
            "reason IN ('opted_out', 'no_address', 'capped', 'quiet', 'stale', 'holdout',"
            " 'card_inactive', 'duplicate')",
            name=op.f("ck_deliveries_reason_known"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'sending', 'sent', 'delivered', 'failed', 'skipped')",
            name=op.f("ck_deliveries_state_known"),
        ),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_deliveries_attempts_not_negative")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_deliveries_campaign_id_campaigns")),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_deliveries_card_id_cards")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_deliveries_chain_id_chains")),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupons.id"], name=op.f("fk_deliveries_coupon_id_coupons")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_deliveries_member_id_members")),
        sa.ForeignKeyConstraint(["run_id"], ["campaign_runs.id"], name=op.f("fk_deliveries_run_id_campaign_runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("run_id", "member_id", "channel", name=op.f("uq_deliveries_run_id_member_id_channel")),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deliveries_chain_id_id"), ["chain_id", "id"], unique=False)
        batch_op.create_index(
            "ix_deliveries_due",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("state IN ('pending', 'sending')"),
            postgresql_where=sa.text("state IN ('pending', 'sending')"),
        )
        batch_op.create_index(batch_op.f("ix_deliveries_member_id_sent_at"), ["member_id", "sent_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_deliveries_run_id_state"), ["run_id", "state"], unique=False)
