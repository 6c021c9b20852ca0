"""deepen push: segments, templates, more channels, variants, holdout, clicks, receipts, webhooks"""

import sqlalchemy as sa
from alembic import op

from core.db import BigInt, Json, UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

CHANNEL_KNOWN = "channel IN ('inbox', 'email', 'gateway', 'web_push', 'wechat_template', 'wechat_subscription')"


def upgrade() -> None:
    op.create_table(
        "channel_states",
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("failures", BigInt, nullable=False),
        sa.Column("open_until", UtcDateTime(), nullable=True),
        sa.Column("next_slot_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(CHANNEL_KNOWN, name=op.f("ck_channel_states_channel_known")),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_channel_states_failures_not_negative")),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_channel_states")),
    )
    op.create_table(
        "message_templates",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("texts", Json, nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("length(name) > 0", name=op.f("ck_message_templates_has_name")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_message_templates_chain_id_chains")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_templates")),
        sa.UniqueConstraint("chain_id", "name", name=op.f("uq_message_templates_chain_id_name")),
    )
    with op.batch_alter_table("message_templates", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_message_templates_chain_id_id"), ["chain_id", "id"], unique=False)

    op.create_table(
        "segments",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("rules", Json, nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("length(name) > 0", name=op.f("ck_segments_has_name")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_segments_chain_id_chains")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segments")),
        sa.UniqueConstraint("chain_id", "name", name=op.f("uq_segments_chain_id_name")),
    )
    with op.batch_alter_table("segments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_segments_chain_id_id"), ["chain_id", "id"], unique=False)

    op.create_table(
        "vendor_templates",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("code", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("fields", Json, nullable=False),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(CHANNEL_KNOWN, name=op.f("ck_vendor_templates_channel_known")),
        sa.CheckConstraint("language IN ('zh', 'en')", name=op.f("ck_vendor_templates_language_known")),
        sa.CheckConstraint("length(code) > 0", name=op.f("ck_vendor_templates_has_code")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_vendor_templates_chain_id_chains")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vendor_templates")),
        sa.UniqueConstraint(
            "chain_id", "channel", "code", "language", name=op.f("uq_vendor_templates_chain_id_channel_code_language")
        ),
    )
    op.create_table(
        "web_push_subscriptions",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("wallet_id", BigInt, nullable=False),
        sa.Column("endpoint", sa.String(length=1000), nullable=False),
        sa.Column("p256dh", sa.String(length=120), nullable=False),
        sa.Column("auth", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("gone_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["wallet_id"], ["wallets.id"], name=op.f("fk_web_push_subscriptions_wallet_id_wallets")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_web_push_subscriptions")),
        sa.UniqueConstraint("endpoint", name=op.f("uq_web_push_subscriptions_endpoint")),
    )
    with op.batch_alter_table("web_push_subscriptions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_web_push_subscriptions_wallet_id"), ["wallet_id"], unique=False)

    op.create_table(
        "webhook_endpoints",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("secret", sa.String(length=80), nullable=False),
        sa.Column("kinds", Json, nullable=False),
        sa.Column("failures", BigInt, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_webhook_endpoints_failures_not_negative")),
        sa.CheckConstraint("length(url) > 0", name=op.f("ck_webhook_endpoints_has_url")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_webhook_endpoints_chain_id_chains")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
    )
    with op.batch_alter_table("webhook_endpoints", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webhook_endpoints_chain_id_id"), ["chain_id", "id"], unique=False)

    op.create_table(
        "webhook_messages",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("endpoint_id", BigInt, nullable=False),
        sa.Column("message_id", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", BigInt, nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("leased_until", UtcDateTime(), nullable=True),
        sa.Column("status", BigInt, nullable=True),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "(state = 'sending') = (leased_until IS NOT NULL)", name=op.f("ck_webhook_messages_lease_means_sending")
        ),
        sa.CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name=op.f("ck_webhook_messages_sent_has_time")),
        sa.CheckConstraint(
            "state IN ('pending', 'sending', 'sent', 'failed')", name=op.f("ck_webhook_messages_state_known")
        ),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_webhook_messages_attempts_not_negative")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_webhook_messages_chain_id_chains")),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["webhook_endpoints.id"], name=op.f("fk_webhook_messages_endpoint_id_webhook_endpoints")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_messages")),
        sa.UniqueConstraint("endpoint_id", "message_id", name=op.f("uq_webhook_messages_endpoint_id_message_id")),
    )
    with op.batch_alter_table("webhook_messages", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webhook_messages_chain_id_id"), ["chain_id", "id"], unique=False)
        batch_op.create_index(
            "ix_webhook_messages_due",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("state IN ('pending', 'sending')"),
            postgresql_where=sa.text("state IN ('pending', 'sending')"),
        )

    op.create_table(
        "suppressions",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("member_id", BigInt, nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("lifted_at", UtcDateTime(), nullable=True),
        sa.Column("lifted_by", sa.String(length=40), nullable=True),
        sa.CheckConstraint(CHANNEL_KNOWN, name=op.f("ck_suppressions_channel_known")),
        sa.CheckConstraint("reason IN ('bounced', 'complained', 'refused')", name=op.f("ck_suppressions_reason_known")),
        sa.CheckConstraint("(lifted_at IS NULL) = (lifted_by IS NULL)", name=op.f("ck_suppressions_lifting_is_whole")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_suppressions_chain_id_chains")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_suppressions_member_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
    )
    with op.batch_alter_table("suppressions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_suppressions_chain_id_id"), ["chain_id", "id"], unique=False)
        batch_op.create_index(
            "uq_suppressions_standing",
            ["chain_id", "channel", "address"],
            unique=True,
            sqlite_where=sa.text("lifted_at IS NULL"),
            postgresql_where=sa.text("lifted_at IS NULL"),
        )

    op.create_table(
        "wechat_consents",
        sa.Column("member_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("template_code", sa.String(length=80), nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("balance", BigInt, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("balance >= 0", name=op.f("ck_wechat_consents_balance_not_negative")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_wechat_consents_chain_id_chains")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_wechat_consents_member_id_members")),
        sa.PrimaryKeyConstraint("member_id", "template_code", name=op.f("pk_wechat_consents")),
    )
    with op.batch_alter_table("wechat_consents", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_wechat_consents_chain_id_template_code"), ["chain_id", "template_code"], unique=False
        )

    op.create_table(
        "wechat_users",
        sa.Column("member_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("openid", sa.String(length=64), nullable=False),
        sa.Column("is_following", sa.Boolean(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_wechat_users_chain_id_chains")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_wechat_users_member_id_members")),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_wechat_users")),
        sa.UniqueConstraint("chain_id", "openid", name=op.f("uq_wechat_users_chain_id_openid")),
    )
    op.create_table(
        "campaign_links",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("campaign_id", BigInt, nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_campaign_links_campaign_id_campaigns")
        ),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_campaign_links_chain_id_chains")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_links")),
        sa.UniqueConstraint("campaign_id", "url", name=op.f("uq_campaign_links_campaign_id_url")),
    )
    with op.batch_alter_table("campaign_links", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_campaign_links_chain_id_id"), ["chain_id", "id"], unique=False)

    op.create_table(
        "campaign_entries",
        sa.Column("campaign_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("member_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("occasion", sa.String(length=40), nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", BigInt, nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("length(occasion) > 0", name=op.f("ck_campaign_entries_has_occasion")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_campaign_entries_campaign_id_campaigns")
        ),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_campaign_entries_chain_id_chains")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_campaign_entries_member_id_members")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["campaign_runs.id"], name=op.f("fk_campaign_entries_run_id_campaign_runs")
        ),
        sa.PrimaryKeyConstraint("campaign_id", "member_id", "occasion", name=op.f("pk_campaign_entries")),
    )
    with op.batch_alter_table("campaign_entries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_campaign_entries_chain_id_run_id"), ["chain_id", "run_id"], unique=False)

    op.create_table(
        "clicks",
        sa.Column("delivery_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("link_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("campaign_id", BigInt, nullable=False),
        sa.Column("first_at", UtcDateTime(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.Column("count", BigInt, nullable=False),
        sa.CheckConstraint("count >= 1", name=op.f("ck_clicks_count_positive")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_clicks_campaign_id_campaigns")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_clicks_chain_id_chains")),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_clicks_delivery_id_deliveries")),
        sa.ForeignKeyConstraint(["link_id"], ["campaign_links.id"], name=op.f("fk_clicks_link_id_campaign_links")),
        sa.PrimaryKeyConstraint("delivery_id", "link_id", name=op.f("pk_clicks")),
    )
    with op.batch_alter_table("clicks", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_clicks_chain_id_campaign_id"), ["chain_id", "campaign_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_clicks_chain_id_first_at"), ["chain_id", "first_at"], unique=False)

    with op.batch_alter_table("campaign_runs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("texts", Json, server_default="{}", nullable=False))
        batch_op.add_column(sa.Column("variants", Json, server_default="[]", nullable=False))
        batch_op.add_column(sa.Column("pause_reason", sa.String(length=20), nullable=True))

    with op.batch_alter_table("campaigns", schema=None) as batch_op:
        batch_op.add_column(sa.Column("purpose", sa.String(length=10), server_default="promotion", nullable=False))
        batch_op.add_column(sa.Column("channel_mode", sa.String(length=10), server_default="every", nullable=False))
        batch_op.add_column(sa.Column("variants", Json, server_default="[]", nullable=False))
        batch_op.add_column(sa.Column("texts", Json, server_default="{}", nullable=False))
        batch_op.add_column(sa.Column("holdout_bp", BigInt, server_default="0", nullable=False))
        batch_op.add_column(sa.Column("submitted_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("submitted_by", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("approved_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("approved_by", sa.String(length=40), nullable=True))
        batch_op.create_check_constraint(
            op.f("ck_campaigns_approval_is_whole"), "(approved_at IS NULL) = (approved_by IS NULL)"
        )
        batch_op.create_check_constraint(
            op.f("ck_campaigns_approved_after_submission"), "approved_at IS NULL OR submitted_at IS NOT NULL"
        )
        batch_op.create_check_constraint(op.f("ck_campaigns_approved_by_a_second"), "approved_by <> submitted_by")
        batch_op.create_check_constraint(op.f("ck_campaigns_channel_mode_known"), "channel_mode IN ('every', 'first')")
        batch_op.create_check_constraint(op.f("ck_campaigns_holdout_range"), "holdout_bp BETWEEN 0 AND 5000")
        batch_op.create_check_constraint(op.f("ck_campaigns_purpose_known"), "purpose IN ('promotion', 'service')")
        batch_op.create_check_constraint(
            op.f("ck_campaigns_submission_is_whole"), "(submitted_at IS NULL) = (submitted_by IS NULL)"
        )

    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_consents_channel_known"), type_="check")
        batch_op.alter_column(
            "channel", existing_type=sa.String(length=10), type_=sa.String(length=20), existing_nullable=False
        )
        batch_op.add_column(sa.Column("purpose", sa.String(length=11), server_default="promotion", nullable=False))
        batch_op.create_check_constraint(op.f("ck_consents_channel_known"), CHANNEL_KNOWN)
        batch_op.create_check_constraint(
            op.f("ck_consents_purpose_known"), "purpose IN ('promotion', 'service', 'measurement')"
        )

    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_deliveries_channel_known"), type_="check")
        batch_op.alter_column(
            "channel", existing_type=sa.String(length=10), type_=sa.String(length=20), existing_nullable=False
        )
        batch_op.add_column(sa.Column("variant", sa.String(length=1), server_default="A", nullable=False))
        batch_op.add_column(sa.Column("provider_ref", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("delivered_at", UtcDateTime(), nullable=True))
        batch_op.create_index(
            "ix_deliveries_provider_ref",
            ["channel", "provider_ref"],
            unique=False,
            sqlite_where=sa.text("provider_ref IS NOT NULL"),
            postgresql_where=sa.text("provider_ref IS NOT NULL"),
        )
        batch_op.create_check_constraint(op.f("ck_deliveries_channel_known"), CHANNEL_KNOWN)
        batch_op.create_check_constraint(
            op.f("ck_deliveries_delivered_has_state"), "delivered_at IS NULL OR state = 'delivered'"
        )
        batch_op.create_check_constraint(op.f("ck_deliveries_variant_known"), "variant IN ('A', 'B', 'C', 'D')")

    with op.batch_alter_table("members", schema=None) as batch_op:
        batch_op.add_column(sa.Column("birthday", sa.String(length=5), nullable=True))
        batch_op.create_check_constraint(op.f("ck_members_birthday_length"), "birthday IS NULL OR length(birthday) = 5")

    with op.batch_alter_table("push_policies", schema=None) as batch_op:
        batch_op.add_column(sa.Column("needs_approval", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("global_holdout_bp", BigInt, server_default="0", nullable=False))
        batch_op.add_column(sa.Column("error_pause_bp", BigInt, server_default="2000", nullable=False))
        batch_op.add_column(sa.Column("error_pause_after", BigInt, server_default="50", nullable=False))
        batch_op.create_check_constraint(
            op.f("ck_push_policies_error_pause_range"), "error_pause_bp BETWEEN 1 AND 10000 AND error_pause_after >= 1"
        )
        batch_op.create_check_constraint(
            op.f("ck_push_policies_global_holdout_range"), "global_holdout_bp BETWEEN 0 AND 2000"
        )
