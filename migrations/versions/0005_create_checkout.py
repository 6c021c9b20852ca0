"""create checkout"""

import sqlalchemy as sa
from alembic import op

from core.db import BigInt, UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "checkouts",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("store_id", BigInt, nullable=False),
        sa.Column("card_id", BigInt, nullable=False),
        sa.Column("member_id", BigInt, nullable=False),
        sa.Column("settled_by", sa.String(length=40), nullable=False),
        sa.Column("request_id", sa.String(length=80), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("amount_cents", BigInt, nullable=False),
        sa.Column("member_discount_cents", BigInt, nullable=False),
        sa.Column("coupon_discount_cents", BigInt, nullable=False),
        sa.Column("payable_cents", BigInt, nullable=False),
        sa.Column("points_earned", BigInt, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("settled_at", UtcDateTime(), nullable=False),
        sa.Column("business_day", sa.Date(), nullable=False),
        sa.Column("voided_at", UtcDateTime(), nullable=True),
        sa.Column("voided_by", sa.String(length=40), nullable=True),
        sa.CheckConstraint("(state = 'voided') = (voided_at IS NOT NULL)", name=op.f("ck_checkouts_voided_has_time")),
        sa.CheckConstraint("state IN ('settled', 'voided')", name=op.f("ck_checkouts_state_known")),
        sa.CheckConstraint("amount_cents > 0", name=op.f("ck_checkouts_amount_positive")),
        sa.CheckConstraint(
            "member_discount_cents >= 0 AND coupon_discount_cents >= 0",
            name=op.f("ck_checkouts_discounts_not_negative"),
        ),
        sa.CheckConstraint(
            "payable_cents = amount_cents - member_discount_cents - coupon_discount_cents",
            name=op.f("ck_checkouts_adds_up"),
        ),
        sa.CheckConstraint("payable_cents >= 0", name=op.f("ck_checkouts_payable_not_negative")),
        sa.CheckConstraint("points_earned >= 0", name=op.f("ck_checkouts_points_not_negative")),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_checkouts_card_id_cards")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_checkouts_chain_id_chains")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_checkouts_member_id_members")),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_checkouts_store_id_stores")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkouts")),
        sa.UniqueConstraint(
            "chain_id", "store_id", "request_id", name=op.f("uq_checkouts_chain_id_store_id_request_id")
        ),
    )
    with op.batch_alter_table("checkouts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_checkouts_card_id_id"), ["card_id", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_checkouts_chain_id_business_day_store_id"),
            ["chain_id", "business_day", "store_id"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_checkouts_chain_id_id"), ["chain_id", "id"], unique=False)

    op.create_table(
        "redemptions",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("checkout_id", BigInt, nullable=False),
        sa.Column("coupon_id", BigInt, nullable=False),
        sa.Column("offer_id", BigInt, nullable=False),
        sa.Column("store_id", BigInt, nullable=False),
        sa.Column("discount_cents", BigInt, nullable=False),
        sa.Column("redeemed_at", UtcDateTime(), nullable=False),
        sa.Column("undone_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("discount_cents >= 0", name=op.f("ck_redemptions_discount_not_negative")),
        sa.CheckConstraint("undone_at >= redeemed_at", name=op.f("ck_redemptions_undone_after")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_redemptions_chain_id_chains")),
        sa.ForeignKeyConstraint(["checkout_id"], ["checkouts.id"], name=op.f("fk_redemptions_checkout_id_checkouts")),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupons.id"], name=op.f("fk_redemptions_coupon_id_coupons")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_redemptions_offer_id_offers")),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_redemptions_store_id_stores")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_redemptions")),
    )
    with op.batch_alter_table("redemptions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_redemptions_chain_id_id"), ["chain_id", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_redemptions_chain_id_redeemed_at"), ["chain_id", "redeemed_at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_redemptions_checkout_id"), ["checkout_id"], unique=False)
        batch_op.create_index(
            "uq_redemptions_coupon_in_use",
            ["coupon_id"],
            unique=True,
            sqlite_where=sa.text("undone_at IS NULL"),
            postgresql_where=sa.text("undone_at IS NULL"),
        )
