"""deepen sharing: own channels, how sharers are named, rewards, what looked dishonest"""

import sqlalchemy as sa
from alembic import op

from core.db import BigInt, Json, UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


FRAUD_RULE_KNOWN = (
    "rule IN ('own_phone', 'existing_member', 'own_device', 'device_cluster', 'network_cluster', 'velocity',"
    " 'closed_loop', 'farm', 'person')"
)


def upgrade() -> None:
    op.create_table(
        "event_readers",
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("reader", sa.String(length=40), nullable=False),
        sa.Column("transaction_no", BigInt, nullable=False),
        sa.Column("event_id", BigInt, nullable=False),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_event_readers_chain_id_chains")),
        sa.PrimaryKeyConstraint("chain_id", "reader", name=op.f("pk_event_readers")),
    )
    op.create_table(
        "fraud_settings",
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("rule", sa.String(length=20), nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("threshold", BigInt, nullable=True),
        sa.CheckConstraint("action IN ('off', 'flag', 'reject')", name=op.f("ck_fraud_settings_action_known")),
        sa.CheckConstraint(
            FRAUD_RULE_KNOWN,
            name=op.f("ck_fraud_settings_rule_known"),
        ),
        sa.CheckConstraint("threshold BETWEEN 1 AND 10000", name=op.f("ck_fraud_settings_threshold_range")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_fraud_settings_chain_id_chains")),
        sa.PrimaryKeyConstraint("chain_id", "rule", name=op.f("pk_fraud_settings")),
    )
    op.create_table(
        "share_channels",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("name_en", sa.String(length=30), nullable=False),
        sa.Column("is_for_members", sa.Boolean(), nullable=False),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "code NOT IN ('friend', 'group', 'moments', 'poster', 'copy')",
            name=op.f("ck_share_channels_code_is_its_own"),
        ),
        sa.CheckConstraint("length(code) BETWEEN 2 AND 20", name=op.f("ck_share_channels_code_length")),
        sa.CheckConstraint("length(name) > 0 AND length(name_en) > 0", name=op.f("ck_share_channels_has_names")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_share_channels_chain_id_chains")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_channels")),
        sa.UniqueConstraint("chain_id", "code", name=op.f("uq_share_channels_chain_id_code")),
    )
    op.create_table(
        "reward_rules",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("name_en", sa.String(length=60), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("trigger", sa.String(length=20), nullable=False),
        sa.Column("min_cents", BigInt, nullable=False),
        sa.Column("within_days", BigInt, nullable=True),
        sa.Column("hold_days", BigInt, nullable=False),
        sa.Column("referrer_offer_id", BigInt, nullable=True),
        sa.Column("referrer_points", BigInt, nullable=True),
        sa.Column("referrer_cost_cents", BigInt, nullable=False),
        sa.Column("friend_offer_id", BigInt, nullable=True),
        sa.Column("friend_points", BigInt, nullable=True),
        sa.Column("friend_cost_cents", BigInt, nullable=False),
        sa.Column("per_day_cap", BigInt, nullable=True),
        sa.Column("lifetime_cap", BigInt, nullable=True),
        sa.Column("budget_cents", BigInt, nullable=True),
        sa.Column("committed_cents", BigInt, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("(state = 'draft') = (started_at IS NULL)", name=op.f("ck_reward_rules_started_has_time")),
        sa.CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name=op.f("ck_reward_rules_ended_has_time")),
        sa.CheckConstraint(
            "(trigger = 'first_purchase') = (within_days IS NOT NULL)", name=op.f("ck_reward_rules_purchase_has_time")
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'running', 'paused', 'ended')", name=op.f("ck_reward_rules_state_known")
        ),
        sa.CheckConstraint(
            "trigger = 'first_purchase' OR min_cents = 0", name=op.f("ck_reward_rules_min_is_of_a_purchase")
        ),
        sa.CheckConstraint("trigger IN ('card_issued', 'first_purchase')", name=op.f("ck_reward_rules_trigger_known")),
        sa.CheckConstraint("budget_cents > 0", name=op.f("ck_reward_rules_budget_positive")),
        sa.CheckConstraint(
            "budget_cents IS NULL OR committed_cents <= budget_cents", name=op.f("ck_reward_rules_within_budget")
        ),
        sa.CheckConstraint("committed_cents >= 0", name=op.f("ck_reward_rules_committed_not_negative")),
        sa.CheckConstraint("ended_at >= started_at", name=op.f("ck_reward_rules_ended_after_start")),
        sa.CheckConstraint(
            "friend_offer_id IS NULL OR friend_points IS NULL", name=op.f("ck_reward_rules_friend_gets_one")
        ),
        sa.CheckConstraint("hold_days BETWEEN 0 AND 90", name=op.f("ck_reward_rules_hold_days_range")),
        sa.CheckConstraint("length(name) > 0 AND length(name_en) > 0", name=op.f("ck_reward_rules_has_names")),
        sa.CheckConstraint("min_cents >= 0", name=op.f("ck_reward_rules_min_not_negative")),
        sa.CheckConstraint("per_day_cap > 0 AND lifetime_cap > 0", name=op.f("ck_reward_rules_caps_positive")),
        sa.CheckConstraint(
            "referrer_cost_cents >= 0 AND friend_cost_cents >= 0", name=op.f("ck_reward_rules_costs_not_negative")
        ),
        sa.CheckConstraint(
            "referrer_offer_id IS NOT NULL OR referrer_points IS NOT NULL OR friend_offer_id IS NOT NULL"
            " OR friend_points IS NOT NULL",
            name=op.f("ck_reward_rules_gives_something"),
        ),
        sa.CheckConstraint(
            "referrer_offer_id IS NULL OR referrer_points IS NULL", name=op.f("ck_reward_rules_referrer_gets_one")
        ),
        sa.CheckConstraint("referrer_points > 0 AND friend_points > 0", name=op.f("ck_reward_rules_points_positive")),
        sa.CheckConstraint("within_days BETWEEN 1 AND 365", name=op.f("ck_reward_rules_within_days_range")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_reward_rules_chain_id_chains")),
        sa.ForeignKeyConstraint(
            ["friend_offer_id"], ["offers.id"], name=op.f("fk_reward_rules_friend_offer_id_offers")
        ),
        sa.ForeignKeyConstraint(
            ["referrer_offer_id"], ["offers.id"], name=op.f("fk_reward_rules_referrer_offer_id_offers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reward_rules")),
    )
    with op.batch_alter_table("reward_rules", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_reward_rules_chain_id_id"), ["chain_id", "id"], unique=False)
        batch_op.create_index(
            "uq_reward_rules_one_running",
            ["chain_id", "trigger"],
            unique=True,
            sqlite_where=sa.text("state IN ('running', 'paused')"),
            postgresql_where=sa.text("state IN ('running', 'paused')"),
        )

    op.create_table(
        "sharer_names",
        sa.Column("member_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("shown_as", sa.String(length=10), nullable=False),
        sa.Column("nickname", sa.String(length=20), nullable=True),
        sa.CheckConstraint(
            "(shown_as = 'nickname') = (nickname IS NOT NULL)", name=op.f("ck_sharer_names_nickname_is_given")
        ),
        sa.CheckConstraint(
            "shown_as IN ('name', 'masked', 'nickname', 'nobody')", name=op.f("ck_sharer_names_shown_as_known")
        ),
        sa.CheckConstraint("length(nickname) > 0", name=op.f("ck_sharer_names_nickname_not_empty")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_sharer_names_chain_id_chains")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_sharer_names_member_id_members")),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_sharer_names")),
    )
    with op.batch_alter_table("sharer_names", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sharer_names_chain_id_member_id"), ["chain_id", "member_id"], unique=False)

    op.create_table(
        "fraud_findings",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("referral_id", BigInt, nullable=False),
        sa.Column("rule", sa.String(length=20), nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("evidence", Json, nullable=False),
        sa.Column("found_at", UtcDateTime(), nullable=False),
        sa.Column("dismissed_at", UtcDateTime(), nullable=True),
        sa.Column("dismissed_by", sa.String(length=40), nullable=True),
        sa.Column("dismiss_reason", sa.String(length=200), nullable=True),
        sa.CheckConstraint("action IN ('flag', 'reject')", name=op.f("ck_fraud_findings_action_known")),
        sa.CheckConstraint(
            FRAUD_RULE_KNOWN,
            name=op.f("ck_fraud_findings_rule_known"),
        ),
        sa.CheckConstraint(
            "(dismissed_at IS NULL) = (dismissed_by IS NULL)", name=op.f("ck_fraud_findings_dismissal_is_whole")
        ),
        sa.CheckConstraint(
            "dismiss_reason IS NULL OR dismissed_at IS NOT NULL", name=op.f("ck_fraud_findings_reason_needs_dismissal")
        ),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_fraud_findings_chain_id_chains")),
        sa.ForeignKeyConstraint(
            ["referral_id"], ["referrals.id"], name=op.f("fk_fraud_findings_referral_id_referrals")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fraud_findings")),
        sa.UniqueConstraint("referral_id", "rule", name=op.f("uq_fraud_findings_referral_id_rule")),
    )
    with op.batch_alter_table("fraud_findings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_fraud_findings_chain_id_id"), ["chain_id", "id"], unique=False)

    op.create_table(
        "rewards",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("rule_id", BigInt, nullable=False),
        sa.Column("referral_id", BigInt, nullable=False),
        sa.Column("side", sa.String(length=10), nullable=False),
        sa.Column("member_id", BigInt, nullable=False),
        sa.Column("card_id", BigInt, nullable=False),
        sa.Column("checkout_id", BigInt, nullable=True),
        sa.Column("offer_id", BigInt, nullable=True),
        sa.Column("points", BigInt, nullable=True),
        sa.Column("cost_cents", BigInt, nullable=False),
        sa.Column("committed_cents", BigInt, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=True),
        sa.Column("earned_on", sa.Date(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("coupon_id", BigInt, nullable=True),
        sa.Column("points_short", BigInt, nullable=False),
        sa.Column("is_coupon_lost", sa.Boolean(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("decided_by", sa.String(length=40), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "(state IN ('pending', 'approved')) = (reason IS NULL)", name=op.f("ck_rewards_refusal_has_reason")
        ),
        sa.CheckConstraint(
            "(state IN ('pending', 'flagged')) = (decided_at IS NULL)", name=op.f("ck_rewards_decided_has_time")
        ),
        sa.CheckConstraint("side IN ('referrer', 'friend')", name=op.f("ck_rewards_side_known")),
        sa.CheckConstraint(
            "state <> 'approved' OR offer_id IS NULL OR coupon_id IS NOT NULL",
            name=op.f("ck_rewards_approved_is_given"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'approved', 'rejected', 'flagged', 'clawed_back')",
            name=op.f("ck_rewards_state_known"),
        ),
        sa.CheckConstraint("(decided_at IS NULL) = (decided_by IS NULL)", name=op.f("ck_rewards_decision_is_whole")),
        sa.CheckConstraint("(offer_id IS NULL) <> (points IS NULL)", name=op.f("ck_rewards_one_kind")),
        sa.CheckConstraint("NOT is_coupon_lost OR coupon_id IS NOT NULL", name=op.f("ck_rewards_lost_was_given")),
        sa.CheckConstraint("committed_cents <= cost_cents", name=op.f("ck_rewards_commits_its_cost")),
        sa.CheckConstraint("cost_cents >= 0 AND committed_cents >= 0", name=op.f("ck_rewards_cost_not_negative")),
        sa.CheckConstraint("points > 0", name=op.f("ck_rewards_points_positive")),
        sa.CheckConstraint("points_short BETWEEN 0 AND points", name=op.f("ck_rewards_points_short_range")),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_rewards_card_id_cards")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_rewards_chain_id_chains")),
        sa.ForeignKeyConstraint(["checkout_id"], ["checkouts.id"], name=op.f("fk_rewards_checkout_id_checkouts")),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupons.id"], name=op.f("fk_rewards_coupon_id_coupons")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_rewards_member_id_members")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_rewards_offer_id_offers")),
        sa.ForeignKeyConstraint(["referral_id"], ["referrals.id"], name=op.f("fk_rewards_referral_id_referrals")),
        sa.ForeignKeyConstraint(["rule_id"], ["reward_rules.id"], name=op.f("fk_rewards_rule_id_reward_rules")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rewards")),
        sa.UniqueConstraint("rule_id", "referral_id", "side", name=op.f("uq_rewards_rule_id_referral_id_side")),
    )
    with op.batch_alter_table("rewards", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rewards_chain_id_id"), ["chain_id", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_rewards_chain_id_member_id_id"), ["chain_id", "member_id", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_rewards_chain_id_state_id"), ["chain_id", "state", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_rewards_checkout_id"), ["checkout_id"], unique=False)
        batch_op.create_index(
            "ix_rewards_due",
            ["chain_id", "due_at"],
            unique=False,
            sqlite_where=sa.text("state = 'pending'"),
            postgresql_where=sa.text("state = 'pending'"),
        )
        batch_op.create_index(batch_op.f("ix_rewards_referral_id"), ["referral_id"], unique=False)

    with op.batch_alter_table("referrals", schema=None) as batch_op:
        batch_op.alter_column(
            "channel", existing_type=sa.String(length=10), type_=sa.String(length=20), existing_nullable=False
        )
        batch_op.add_column(sa.Column("device", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("network", sa.String(length=32), nullable=True))
        batch_op.create_index(
            "ix_referrals_device",
            ["chain_id", "device", "created_at"],
            unique=False,
            sqlite_where=sa.text("device IS NOT NULL"),
            postgresql_where=sa.text("device IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_referrals_network",
            ["chain_id", "network", "created_at"],
            unique=False,
            sqlite_where=sa.text("network IS NOT NULL"),
            postgresql_where=sa.text("network IS NOT NULL"),
        )

    with op.batch_alter_table("share_links", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_share_links_channel_known"), type_="check")
        batch_op.alter_column(
            "channel", existing_type=sa.String(length=10), type_=sa.String(length=20), existing_nullable=False
        )
        batch_op.add_column(sa.Column("own_channel_id", BigInt, nullable=True))
        batch_op.add_column(sa.Column("occasion", sa.String(length=10), server_default="wallet", nullable=False))
        batch_op.add_column(sa.Column("offer_id", BigInt, nullable=True))
        batch_op.add_column(sa.Column("device", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("network", sa.String(length=32), nullable=True))
        batch_op.create_foreign_key(batch_op.f("fk_share_links_offer_id_offers"), "offers", ["offer_id"], ["id"])
        batch_op.create_foreign_key(
            batch_op.f("fk_share_links_own_channel_id_share_channels"), "share_channels", ["own_channel_id"], ["id"]
        )
        batch_op.create_check_constraint(
            op.f("ck_share_links_channel_known"),
            "(channel IN ('friend', 'group', 'moments', 'poster', 'copy')) = (own_channel_id IS NULL)",
        )
        batch_op.create_check_constraint(
            op.f("ck_share_links_occasion_known"),
            "occasion IN ('wallet', 'joined', 'receipt', 'coupon', 'staff', 'api')",
        )
