"""deepen coupons and checkout"""

import sqlalchemy as sa
from alembic import op

from core.db import BigInt, Json, UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "offer_policies",
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("needs_approval", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_offer_policies_chain_id_chains")),
        sa.PrimaryKeyConstraint("chain_id", name=op.f("pk_offer_policies")),
    )
    op.create_table(
        "phone_codes",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("wallet_id", BigInt, nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("tries", BigInt, nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("valid_until", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("made_at < valid_until", name=op.f("ck_phone_codes_validity_order")),
        sa.CheckConstraint("tries BETWEEN 0 AND 5", name=op.f("ck_phone_codes_tries_range")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_phone_codes_chain_id_chains")),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallets.id"], name=op.f("fk_phone_codes_wallet_id_wallets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phone_codes")),
    )
    with op.batch_alter_table("phone_codes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_phone_codes_address_made_at"), ["address", "made_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_phone_codes_phone_made_at"), ["phone", "made_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_phone_codes_wallet_id_made_at"), ["wallet_id", "made_at"], unique=False)

    op.create_table(
        "till_policies",
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("window_minutes", BigInt, nullable=False),
        sa.Column("is_same_day_only", sa.Boolean(), nullable=False),
        sa.Column("most_refund_cents", BigInt, nullable=True),
        sa.CheckConstraint(
            "role IN ('hq_admin', 'hq_analyst', 'store_manager', 'clerk')", name=op.f("ck_till_policies_role_known")
        ),
        sa.CheckConstraint("most_refund_cents >= 0", name=op.f("ck_till_policies_most_refund_not_negative")),
        sa.CheckConstraint("window_minutes BETWEEN 0 AND 525600", name=op.f("ck_till_policies_window_range")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_till_policies_chain_id_chains")),
        sa.PrimaryKeyConstraint("chain_id", "role", name=op.f("pk_till_policies")),
    )
    op.create_table(
        "code_batches",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("offer_id", BigInt, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("size", BigInt, nullable=False),
        sa.Column("made_by", sa.String(length=40), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("voided_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("(state = 'void') = (voided_at IS NOT NULL)", name=op.f("ck_code_batches_voided_has_time")),
        sa.CheckConstraint("kind IN ('generated', 'imported')", name=op.f("ck_code_batches_kind_known")),
        sa.CheckConstraint("state IN ('making', 'active', 'void')", name=op.f("ck_code_batches_state_known")),
        sa.CheckConstraint("size >= 0", name=op.f("ck_code_batches_size_not_negative")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_code_batches_chain_id_chains")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_code_batches_offer_id_offers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_batches")),
    )
    with op.batch_alter_table("code_batches", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_code_batches_chain_id_id"), ["chain_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_code_batches_offer_id_id"), ["offer_id", "id"], unique=False)

    op.create_table(
        "offer_budgets",
        sa.Column("offer_id", BigInt, nullable=False),
        sa.Column("budget_cents", BigInt, nullable=False),
        sa.Column("committed_cents", BigInt, nullable=False),
        sa.CheckConstraint(
            "committed_cents BETWEEN 0 AND budget_cents", name=op.f("ck_offer_budgets_committed_within_budget")
        ),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_offer_budgets_offer_id_offers")),
        sa.PrimaryKeyConstraint("offer_id", name=op.f("pk_offer_budgets")),
    )
    op.create_table(
        "offer_days",
        sa.Column("offer_id", BigInt, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("claimed", BigInt, nullable=False),
        sa.Column("most", BigInt, nullable=False),
        sa.CheckConstraint("claimed BETWEEN 0 AND most", name=op.f("ck_offer_days_claimed_within_day")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_offer_days_offer_id_offers")),
        sa.PrimaryKeyConstraint("offer_id", "day", name=op.f("pk_offer_days")),
    )
    op.create_table(
        "offer_phones",
        sa.Column("offer_id", BigInt, nullable=False),
        sa.Column("phone_hash", sa.String(length=64), nullable=False),
        sa.Column("claimed", BigInt, nullable=False),
        sa.Column("most", BigInt, nullable=False),
        sa.CheckConstraint("claimed BETWEEN 0 AND most", name=op.f("ck_offer_phones_claimed_within_phone")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_offer_phones_offer_id_offers")),
        sa.PrimaryKeyConstraint("offer_id", "phone_hash", name=op.f("pk_offer_phones")),
    )
    op.create_table(
        "offer_programs",
        sa.Column("offer_id", BigInt, nullable=False),
        sa.Column("program_id", BigInt, nullable=False),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_offer_programs_offer_id_offers")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_offer_programs_program_id_programs")),
        sa.PrimaryKeyConstraint("offer_id", "program_id", name=op.f("pk_offer_programs")),
    )
    op.create_table(
        "offer_sightings",
        sa.Column("offer_id", BigInt, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("visitor", sa.String(length=64), nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("store_id", BigInt, nullable=True),
        sa.CheckConstraint(
            "source IN ('claim_page', 'store_code', 'welcome', 'campaign', 'share_reward', 'import', 'api', "
            "'claim_word', 'printed_code', 'staff_gift', 'friend')",
            name=op.f("ck_offer_sightings_source_known"),
        ),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_offer_sightings_chain_id_chains")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_offer_sightings_offer_id_offers")),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_offer_sightings_store_id_stores")),
        sa.PrimaryKeyConstraint("offer_id", "day", "visitor", name=op.f("pk_offer_sightings")),
    )
    with op.batch_alter_table("offer_sightings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_offer_sightings_chain_id_day"), ["chain_id", "day"], unique=False)

    op.create_table(
        "offer_stores",
        sa.Column("offer_id", BigInt, nullable=False),
        sa.Column("store_id", BigInt, nullable=False),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_offer_stores_offer_id_offers")),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_offer_stores_store_id_stores")),
        sa.PrimaryKeyConstraint("offer_id", "store_id", name=op.f("pk_offer_stores")),
    )
    op.create_table(
        "offer_tiers",
        sa.Column("offer_id", BigInt, nullable=False),
        sa.Column("tier_id", BigInt, nullable=False),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_offer_tiers_offer_id_offers")),
        sa.ForeignKeyConstraint(["tier_id"], ["tiers.id"], name=op.f("fk_offer_tiers_tier_id_tiers")),
        sa.PrimaryKeyConstraint("offer_id", "tier_id", name=op.f("pk_offer_tiers")),
    )
    op.create_table(
        "coupon_gifts",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("coupon_id", BigInt, nullable=False),
        sa.Column("giver_id", BigInt, nullable=False),
        sa.Column("receiver_id", BigInt, nullable=True),
        sa.Column("new_coupon_id", BigInt, nullable=True),
        sa.Column("share_link_id", BigInt, nullable=True),
        sa.Column("token", sa.String(length=40), nullable=False),
        sa.Column("message", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("valid_until", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "(state = 'accepted') = (new_coupon_id IS NOT NULL)", name=op.f("ck_coupon_gifts_accepted_has_coupon")
        ),
        sa.CheckConstraint("(state = 'open') = (ended_at IS NULL)", name=op.f("ck_coupon_gifts_ended_has_time")),
        sa.CheckConstraint(
            "state IN ('open', 'accepted', 'cancelled', 'timed_out')", name=op.f("ck_coupon_gifts_state_known")
        ),
        sa.CheckConstraint("made_at < valid_until", name=op.f("ck_coupon_gifts_validity_order")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_coupon_gifts_chain_id_chains")),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupons.id"], name=op.f("fk_coupon_gifts_coupon_id_coupons")),
        sa.ForeignKeyConstraint(["giver_id"], ["members.id"], name=op.f("fk_coupon_gifts_giver_id_members")),
        sa.ForeignKeyConstraint(["new_coupon_id"], ["coupons.id"], name=op.f("fk_coupon_gifts_new_coupon_id_coupons")),
        sa.ForeignKeyConstraint(["receiver_id"], ["members.id"], name=op.f("fk_coupon_gifts_receiver_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon_gifts")),
        sa.UniqueConstraint("token", name=op.f("uq_coupon_gifts_token")),
    )
    with op.batch_alter_table("coupon_gifts", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_coupon_gifts_chain_id_state_valid_until"), ["chain_id", "state", "valid_until"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_coupon_gifts_coupon_id"), ["coupon_id"], unique=False)
        batch_op.create_index(
            "uq_coupon_gifts_one_open",
            ["coupon_id"],
            unique=True,
            sqlite_where=sa.text("state = 'open'"),
            postgresql_where=sa.text("state = 'open'"),
        )

    op.create_table(
        "printed_codes",
        sa.Column("batch_id", BigInt, nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("coupon_id", BigInt, nullable=True),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("(coupon_id IS NULL) = (used_at IS NULL)", name=op.f("ck_printed_codes_used_has_time")),
        sa.CheckConstraint("length(code) BETWEEN 8 AND 32", name=op.f("ck_printed_codes_code_length")),
        sa.ForeignKeyConstraint(["batch_id"], ["code_batches.id"], name=op.f("fk_printed_codes_batch_id_code_batches")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_printed_codes_chain_id_chains")),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupons.id"], name=op.f("fk_printed_codes_coupon_id_coupons")),
        sa.PrimaryKeyConstraint("batch_id", "code", name=op.f("pk_printed_codes")),
        sa.UniqueConstraint("chain_id", "code", name=op.f("uq_printed_codes_chain_id_code")),
    )
    with op.batch_alter_table("printed_codes", schema=None) as batch_op:
        batch_op.create_index(
            "uq_printed_codes_one_coupon",
            ["coupon_id"],
            unique=True,
            sqlite_where=sa.text("coupon_id IS NOT NULL"),
            postgresql_where=sa.text("coupon_id IS NOT NULL"),
        )

    op.create_table(
        "refunds",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("checkout_id", BigInt, nullable=False),
        sa.Column("store_id", BigInt, nullable=False),
        sa.Column("request_id", sa.String(length=80), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("amount_cents", BigInt, nullable=False),
        sa.Column("points_taken", BigInt, nullable=False),
        sa.Column("points_short", BigInt, nullable=False),
        sa.Column("points_returned", BigInt, nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("refunded_by", sa.String(length=40), nullable=False),
        sa.Column("approved_by", sa.String(length=40), nullable=True),
        sa.Column("refunded_at", UtcDateTime(), nullable=False),
        sa.Column("business_day", sa.Date(), nullable=False),
        sa.CheckConstraint("amount_cents > 0", name=op.f("ck_refunds_amount_positive")),
        sa.CheckConstraint(
            "points_taken >= 0 AND points_short >= 0 AND points_returned >= 0",
            name=op.f("ck_refunds_points_not_negative"),
        ),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_refunds_chain_id_chains")),
        sa.ForeignKeyConstraint(["checkout_id"], ["checkouts.id"], name=op.f("fk_refunds_checkout_id_checkouts")),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_refunds_store_id_stores")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        sa.UniqueConstraint("chain_id", "store_id", "request_id", name=op.f("uq_refunds_chain_id_store_id_request_id")),
    )
    with op.batch_alter_table("refunds", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_refunds_chain_id_business_day_store_id"),
            ["chain_id", "business_day", "store_id"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_refunds_chain_id_id"), ["chain_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_refunds_checkout_id"), ["checkout_id"], unique=False)

    op.create_table(
        "refused_attempts",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("store_id", BigInt, nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("made_by", sa.String(length=40), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("card_id", BigInt, nullable=True),
        sa.Column("checkout_id", BigInt, nullable=True),
        sa.Column("amount_cents", BigInt, nullable=True),
        sa.CheckConstraint(
            "action IN ('settle', 'reserve', 'confirm', 'release', 'void', 'refund')",
            name=op.f("ck_refused_attempts_action_known"),
        ),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_refused_attempts_card_id_cards")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_refused_attempts_chain_id_chains")),
        sa.ForeignKeyConstraint(
            ["checkout_id"], ["checkouts.id"], name=op.f("fk_refused_attempts_checkout_id_checkouts")
        ),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_refused_attempts_store_id_stores")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refused_attempts")),
    )
    with op.batch_alter_table("refused_attempts", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_refused_attempts_chain_id_store_id_at"), ["chain_id", "store_id", "at"], unique=False
        )

    op.create_table(
        "staff_gifts",
        sa.Column("coupon_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("offer_id", BigInt, nullable=False),
        sa.Column("staff_id", BigInt, nullable=False),
        sa.Column("store_id", BigInt, nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("ordinal", BigInt, nullable=False),
        sa.Column("most", BigInt, nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("given_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("length(reason) > 0", name=op.f("ck_staff_gifts_reason_not_empty")),
        sa.CheckConstraint("ordinal BETWEEN 1 AND most", name=op.f("ck_staff_gifts_ordinal_range")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_staff_gifts_chain_id_chains")),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupons.id"], name=op.f("fk_staff_gifts_coupon_id_coupons")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_staff_gifts_offer_id_offers")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_gifts_staff_id_staff")),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_staff_gifts_store_id_stores")),
        sa.PrimaryKeyConstraint("coupon_id", name=op.f("pk_staff_gifts")),
        sa.UniqueConstraint(
            "offer_id", "staff_id", "day", "ordinal", name=op.f("uq_staff_gifts_offer_id_staff_id_day_ordinal")
        ),
    )
    with op.batch_alter_table("staff_gifts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_staff_gifts_chain_id_day"), ["chain_id", "day"], unique=False)

    with op.batch_alter_table("cards", schema=None) as batch_op:
        batch_op.add_column(sa.Column("earned_points", BigInt, server_default="0", nullable=False))
        batch_op.add_column(sa.Column("spent_cents", BigInt, server_default="0", nullable=False))
        batch_op.create_check_constraint(
            op.f("ck_cards_progress_not_negative"), "earned_points >= 0 AND spent_cents >= 0"
        )

    with op.batch_alter_table("checkouts", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_checkouts_adds_up"), type_="check")
        batch_op.drop_constraint(op.f("ck_checkouts_state_known"), type_="check")
        batch_op.add_column(sa.Column("points_used", BigInt, server_default="0", nullable=False))
        batch_op.add_column(sa.Column("points_discount_cents", BigInt, server_default="0", nullable=False))
        batch_op.add_column(sa.Column("refunded_cents", BigInt, server_default="0", nullable=False))
        batch_op.add_column(sa.Column("reserved_until", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("void_approved_by", sa.String(length=40), nullable=True))
        batch_op.alter_column("settled_at", nullable=True)
        batch_op.alter_column("business_day", nullable=True)
        batch_op.create_index(
            "ix_checkouts_reserved",
            ["reserved_until"],
            unique=False,
            sqlite_where=sa.text("state = 'reserved'"),
            postgresql_where=sa.text("state = 'reserved'"),
        )
        batch_op.create_check_constraint(
            op.f("ck_checkouts_adds_up"),
            "payable_cents = amount_cents - member_discount_cents - coupon_discount_cents - points_discount_cents",
        )
        batch_op.create_check_constraint(
            op.f("ck_checkouts_points_used_not_negative"), "points_used >= 0 AND points_discount_cents >= 0"
        )
        batch_op.create_check_constraint(
            op.f("ck_checkouts_refunded_was_settled"), "refunded_cents = 0 OR state IN ('settled', 'refunded')"
        )
        batch_op.create_check_constraint(
            op.f("ck_checkouts_refunded_wholly"),
            "state <> 'refunded' OR (refunded_cents = payable_cents AND payable_cents > 0)",
        )
        batch_op.create_check_constraint(
            op.f("ck_checkouts_refunded_within_payable"), "refunded_cents BETWEEN 0 AND payable_cents"
        )
        batch_op.create_check_constraint(
            op.f("ck_checkouts_reserved_has_end"), "state NOT IN ('reserved', 'released') OR reserved_until IS NOT NULL"
        )
        batch_op.create_check_constraint(
            op.f("ck_checkouts_settled_has_day"), "(settled_at IS NULL) = (business_day IS NULL)"
        )
        batch_op.create_check_constraint(
            op.f("ck_checkouts_settled_has_time"), "(state IN ('reserved', 'released')) = (settled_at IS NULL)"
        )
        batch_op.create_check_constraint(
            op.f("ck_checkouts_state_known"), "state IN ('reserved', 'released', 'settled', 'voided', 'refunded')"
        )

    with op.batch_alter_table("coupons", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_coupons_source_known"), type_="check")
        batch_op.add_column(sa.Column("committed_cents", BigInt, server_default="0", nullable=False))
        batch_op.add_column(sa.Column("given_coupon_id", BigInt, nullable=True))
        batch_op.create_index(
            "uq_coupons_given_once",
            ["given_coupon_id"],
            unique=True,
            sqlite_where=sa.text("given_coupon_id IS NOT NULL"),
            postgresql_where=sa.text("given_coupon_id IS NOT NULL"),
        )
        batch_op.create_foreign_key(
            batch_op.f("fk_coupons_given_coupon_id_coupons"), "coupons", ["given_coupon_id"], ["id"]
        )
        batch_op.create_check_constraint(op.f("ck_coupons_committed_not_negative"), "committed_cents >= 0")
        batch_op.create_check_constraint(
            op.f("ck_coupons_friend_has_giver"), "(source = 'friend') = (given_coupon_id IS NOT NULL)"
        )
        batch_op.create_check_constraint(
            op.f("ck_coupons_source_known"),
            "source IN ('claim_page', 'store_code', 'welcome', 'campaign', 'share_reward', 'import', 'api', "
            "'claim_word', 'printed_code', 'staff_gift', 'friend')",
        )

    with op.batch_alter_table("members", schema=None) as batch_op:
        batch_op.add_column(sa.Column("phone_verified_at", UtcDateTime(), nullable=True))
        batch_op.create_check_constraint(
            op.f("ck_members_verified_has_phone"), "phone_verified_at IS NULL OR phone IS NOT NULL"
        )

    with op.batch_alter_table("offers", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_offers_kind_has_its_value"), type_="check")
        batch_op.drop_constraint(op.f("ck_offers_kind_known"), type_="check")
        batch_op.add_column(sa.Column("item_name", sa.String(length=60), nullable=True))
        batch_op.add_column(sa.Column("item_name_en", sa.String(length=80), nullable=True))
        batch_op.add_column(sa.Column("item_cents", BigInt, nullable=True))
        batch_op.add_column(sa.Column("price_cents", BigInt, nullable=True))
        batch_op.add_column(sa.Column("per_day_limit", BigInt, nullable=True))
        batch_op.add_column(sa.Column("per_phone_limit", BigInt, nullable=True))
        batch_op.add_column(sa.Column("budget_cents", BigInt, nullable=True))
        batch_op.add_column(sa.Column("valid_delay_days", BigInt, server_default="0", nullable=False))
        batch_op.add_column(sa.Column("weekdays", BigInt, nullable=True))
        batch_op.add_column(sa.Column("hours", Json, nullable=True))
        batch_op.add_column(sa.Column("blackout_dates", Json, nullable=True))
        batch_op.add_column(sa.Column("is_for_all_stores", sa.Boolean(), server_default=sa.true(), nullable=False))
        batch_op.add_column(sa.Column("is_for_all_programs", sa.Boolean(), server_default=sa.true(), nullable=False))
        batch_op.add_column(sa.Column("is_for_all_tiers", sa.Boolean(), server_default=sa.true(), nullable=False))
        batch_op.add_column(sa.Column("stacking", sa.String(length=10), server_default="exclusive", nullable=False))
        batch_op.add_column(sa.Column("stack_group", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("member_price", sa.String(length=10), server_default="on_top", nullable=False))
        batch_op.add_column(sa.Column("claim_word", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("staff_gift_limit", BigInt, nullable=True))
        batch_op.add_column(sa.Column("may_be_given", sa.Boolean(), server_default=sa.true(), nullable=False))
        batch_op.add_column(sa.Column("hq_share_bp", BigInt, server_default="10000", nullable=False))
        batch_op.add_column(sa.Column("submitted_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("submitted_by", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("approved_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("approved_by", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("alarm_level", BigInt, nullable=True))
        batch_op.create_index(
            "uq_offers_one_claim_word",
            ["chain_id", "claim_word"],
            unique=True,
            sqlite_where=sa.text("claim_word IS NOT NULL AND state = 'running'"),
            postgresql_where=sa.text("claim_word IS NOT NULL AND state = 'running'"),
        )
        batch_op.create_check_constraint(op.f("ck_offers_alarm_level_known"), "alarm_level IN (0, 20)")
        batch_op.create_check_constraint(
            op.f("ck_offers_approval_is_whole"), "(approved_at IS NULL) = (approved_by IS NULL)"
        )
        batch_op.create_check_constraint(
            op.f("ck_offers_approved_after_submission"), "approved_at IS NULL OR submitted_at IS NOT NULL"
        )
        batch_op.create_check_constraint(op.f("ck_offers_approved_by_a_second"), "approved_by <> submitted_by")
        batch_op.create_check_constraint(
            op.f("ck_offers_budget_needs_a_cap"), "budget_cents IS NULL OR kind <> 'percent' OR cap_cents IS NOT NULL"
        )
        batch_op.create_check_constraint(op.f("ck_offers_budget_positive"), "budget_cents > 0")
        batch_op.create_check_constraint(
            op.f("ck_offers_delay_needs_days"), "valid_delay_days = 0 OR valid_days IS NOT NULL"
        )
        batch_op.create_check_constraint(
            op.f("ck_offers_fixed_price_has_price"), "(kind = 'fixed_price') = (price_cents IS NOT NULL)"
        )
        batch_op.create_check_constraint(
            op.f("ck_offers_groups_are_stackable"), "stack_group IS NULL OR stacking = 'stackable'"
        )
        batch_op.create_check_constraint(op.f("ck_offers_hq_share_range"), "hq_share_bp BETWEEN 0 AND 10000")
        batch_op.create_check_constraint(
            op.f("ck_offers_item_has_names"),
            "(item_cents IS NULL) = (item_name IS NULL) AND (item_cents IS NULL) = (item_name_en IS NULL)",
        )
        batch_op.create_check_constraint(
            op.f("ck_offers_kind_has_its_value"),
            "(kind = 'cash' AND value_cents > 0 AND percent_bp IS NULL AND cap_cents IS NULL AND item_cents "
            "IS NULL) OR (kind = 'percent' AND percent_bp BETWEEN 1 AND 10000 AND value_cents IS NULL AND "
            "item_cents IS NULL) OR (kind IN ('gift', 'fixed_price') AND item_cents > 0 AND value_cents IS "
            "NULL AND percent_bp IS NULL AND cap_cents IS NULL)",
        )
        batch_op.create_check_constraint(
            op.f("ck_offers_kind_known"), "kind IN ('cash', 'percent', 'gift', 'fixed_price')"
        )
        batch_op.create_check_constraint(op.f("ck_offers_member_price_known"), "member_price IN ('instead', 'on_top')")
        batch_op.create_check_constraint(op.f("ck_offers_per_day_limit_positive"), "per_day_limit > 0")
        batch_op.create_check_constraint(op.f("ck_offers_per_phone_limit_range"), "per_phone_limit BETWEEN 1 AND 100")
        batch_op.create_check_constraint(
            op.f("ck_offers_price_below_item"), "price_cents > 0 AND price_cents < item_cents"
        )
        batch_op.create_check_constraint(op.f("ck_offers_stacking_known"), "stacking IN ('exclusive', 'stackable')")
        batch_op.create_check_constraint(
            op.f("ck_offers_staff_gift_limit_range"), "staff_gift_limit BETWEEN 1 AND 1000"
        )
        batch_op.create_check_constraint(
            op.f("ck_offers_submission_is_whole"), "(submitted_at IS NULL) = (submitted_by IS NULL)"
        )
        batch_op.create_check_constraint(op.f("ck_offers_valid_delay_range"), "valid_delay_days BETWEEN 0 AND 365")
        batch_op.create_check_constraint(op.f("ck_offers_weekdays_range"), "weekdays BETWEEN 1 AND 127")

    with op.batch_alter_table("programs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("spend_points", BigInt, nullable=True))
        batch_op.add_column(sa.Column("spend_cents", BigInt, nullable=True))
        batch_op.add_column(sa.Column("tier_by", sa.String(length=10), server_default="points", nullable=False))
        batch_op.create_check_constraint(
            op.f("ck_programs_spending_is_whole"), "(spend_points IS NULL) = (spend_cents IS NULL)"
        )
        batch_op.create_check_constraint(op.f("ck_programs_spending_positive"), "spend_points > 0 AND spend_cents > 0")
        batch_op.create_check_constraint(op.f("ck_programs_tier_by_known"), "tier_by IN ('points', 'spend')")

    with op.batch_alter_table("redemptions", schema=None) as batch_op:
        batch_op.alter_column("redeemed_at", nullable=True)

    with op.batch_alter_table("staff", schema=None) as batch_op:
        batch_op.add_column(sa.Column("pin_hash", sa.String(length=200), nullable=True))
        batch_op.add_column(sa.Column("failed_pins", BigInt, server_default="0", nullable=False))
        batch_op.add_column(sa.Column("pin_locked_until", UtcDateTime(), nullable=True))
        batch_op.create_check_constraint(op.f("ck_staff_failed_pins_not_negative"), "failed_pins >= 0")

    with op.batch_alter_table("tiers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("threshold_cents", BigInt, server_default="0", nullable=False))
        batch_op.create_check_constraint(op.f("ck_tiers_spend_not_negative"), "threshold_cents >= 0")
    op.execute("UPDATE cards SET earned_points = points")
    op.execute(
        "UPDATE cards SET spent_cents = (SELECT coalesce(sum(c.payable_cents), 0) FROM checkouts c"
        " WHERE c.card_id = cards.id AND c.state = 'settled')"
    )
