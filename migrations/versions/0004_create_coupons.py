"""create coupons"""

import sqlalchemy as sa
from alembic import op

from core.db import BigInt, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "offers",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("program_id", BigInt, nullable=True),
        sa.Column("token", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("name_en", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("value_cents", BigInt, nullable=True),
        sa.Column("percent_bp", BigInt, nullable=True),
        sa.Column("cap_cents", BigInt, nullable=True),
        sa.Column("min_cents", BigInt, nullable=False),
        sa.Column("stock", BigInt, nullable=True),
        sa.Column("per_member_limit", BigInt, nullable=False),
        sa.Column("valid_from", UtcDateTime(), nullable=True),
        sa.Column("valid_until", UtcDateTime(), nullable=True),
        sa.Column("valid_days", BigInt, nullable=True),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'cash' AND value_cents > 0 AND percent_bp IS NULL AND cap_cents IS NULL)"
            " OR (kind = 'percent' AND percent_bp BETWEEN 1 AND 10000 AND value_cents IS NULL)",
            name=op.f("ck_offers_kind_has_its_value"),
        ),
        sa.CheckConstraint("kind IN ('cash', 'percent')", name=op.f("ck_offers_kind_known")),
        sa.CheckConstraint("state IN ('draft', 'running', 'paused', 'ended')", name=op.f("ck_offers_state_known")),
        sa.CheckConstraint(
            "(valid_from IS NULL) = (valid_until IS NULL)", name=op.f("ck_offers_fixed_validity_is_whole")
        ),
        sa.CheckConstraint(
            "(valid_until IS NULL) <> (valid_days IS NULL)", name=op.f("ck_offers_one_kind_of_validity")
        ),
        sa.CheckConstraint("cap_cents > 0", name=op.f("ck_offers_cap_positive")),
        sa.CheckConstraint("min_cents >= 0", name=op.f("ck_offers_min_not_negative")),
        sa.CheckConstraint("per_member_limit BETWEEN 1 AND 100", name=op.f("ck_offers_per_member_limit_range")),
        sa.CheckConstraint("stock >= 0", name=op.f("ck_offers_stock_not_negative")),
        sa.CheckConstraint("valid_days BETWEEN 1 AND 3650", name=op.f("ck_offers_valid_days_range")),
        sa.CheckConstraint("valid_from < valid_until", name=op.f("ck_offers_validity_order")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_offers_chain_id_chains")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_offers_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offers")),
        sa.UniqueConstraint("token", name=op.f("uq_offers_token")),
    )
    with op.batch_alter_table("offers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_offers_chain_id_id"), ["chain_id", "id"], unique=False)
        batch_op.create_index(
            "uq_offers_one_welcome",
            ["program_id"],
            unique=True,
            sqlite_where=sa.text("program_id IS NOT NULL AND state = 'running'"),
            postgresql_where=sa.text("program_id IS NOT NULL AND state = 'running'"),
        )

    op.create_table(
        "offer_slots",
        sa.Column("offer_id", BigInt, nullable=False),
        sa.Column("slot", BigInt, nullable=False),
        sa.Column("stock", BigInt, nullable=False),
        sa.Column("claimed", BigInt, nullable=False),
        sa.CheckConstraint("claimed BETWEEN 0 AND stock", name=op.f("ck_offer_slots_claimed_within_stock")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_offer_slots_offer_id_offers")),
        sa.PrimaryKeyConstraint("offer_id", "slot", name=op.f("pk_offer_slots")),
    )
    op.create_table(
        "coupons",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("offer_id", BigInt, nullable=False),
        sa.Column("slot", BigInt, nullable=True),
        sa.Column("card_id", BigInt, nullable=False),
        sa.Column("member_id", BigInt, nullable=False),
        sa.Column("ordinal", BigInt, nullable=False),
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("store_id", BigInt, nullable=True),
        sa.Column("claimed_at", UtcDateTime(), nullable=False),
        sa.Column("valid_from", UtcDateTime(), nullable=False),
        sa.Column("valid_until", UtcDateTime(), nullable=False),
        sa.Column("redeemed_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "(state = 'redeemed') = (redeemed_at IS NOT NULL)", name=op.f("ck_coupons_redeemed_has_time")
        ),
        sa.CheckConstraint(
            "source IN ('claim_page', 'store_code', 'welcome', 'campaign', 'share_reward', 'import', 'api')",
            name=op.f("ck_coupons_source_known"),
        ),
        sa.CheckConstraint(
            "state IN ('claimed', 'gifting', 'redeemed', 'expired', 'void')", name=op.f("ck_coupons_state_known")
        ),
        sa.CheckConstraint("ordinal BETWEEN 1 AND 100", name=op.f("ck_coupons_ordinal_range")),
        sa.CheckConstraint("redeemed_at < valid_until", name=op.f("ck_coupons_redeemed_in_time")),
        sa.CheckConstraint("valid_from < valid_until", name=op.f("ck_coupons_validity_order")),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_coupons_card_id_cards")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_coupons_chain_id_chains")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_coupons_member_id_members")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_coupons_offer_id_offers")),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_coupons_store_id_stores")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupons")),
        sa.UniqueConstraint("code", name=op.f("uq_coupons_code")),
        sa.UniqueConstraint("offer_id", "member_id", "ordinal", name=op.f("uq_coupons_offer_id_member_id_ordinal")),
    )
    with op.batch_alter_table("coupons", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_coupons_chain_id_id"), ["chain_id", "id"], unique=False)
        batch_op.create_index(
            "ix_coupons_open_by_card",
            ["card_id", "valid_until"],
            unique=False,
            sqlite_where=sa.text("state = 'claimed'"),
            postgresql_where=sa.text("state = 'claimed'"),
        )
