"""create cards"""

import sqlalchemy as sa
from alembic import op

from core.db import BigInt, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "wallets",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wallets")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_wallets_key_hash")),
    )
    op.create_table(
        "programs",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("name_en", sa.String(length=60), nullable=False),
        sa.Column("benefits", sa.Text(), nullable=False),
        sa.Column("benefits_en", sa.Text(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("terms_en", sa.Text(), nullable=False),
        sa.Column("face_color", sa.String(length=7), nullable=False),
        sa.Column("face_pattern", sa.String(length=20), nullable=False),
        sa.Column("code_mode", sa.String(length=10), nullable=False),
        sa.Column("points_per_unit", BigInt, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("code_mode IN ('rotating', 'static')", name=op.f("ck_programs_code_mode_known")),
        sa.CheckConstraint("points_per_unit >= 0", name=op.f("ck_programs_points_not_negative")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_programs_chain_id_chains")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_programs")),
    )
    with op.batch_alter_table("programs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_programs_chain_id_id"), ["chain_id", "id"], unique=False)
        batch_op.create_index(
            "uq_programs_one_default",
            ["chain_id"],
            unique=True,
            sqlite_where=sa.text("is_default"),
            postgresql_where=sa.text("is_default"),
        )

    op.create_table(
        "members",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("wallet_id", BigInt, nullable=False),
        sa.Column("store_id", BigInt, nullable=True),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("joined_at", UtcDateTime(), nullable=False),
        sa.Column("last_visit_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("language IN ('zh', 'en')", name=op.f("ck_members_language_known")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_members_chain_id_chains")),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_members_store_id_stores")),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallets.id"], name=op.f("fk_members_wallet_id_wallets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
        sa.UniqueConstraint("chain_id", "wallet_id", name=op.f("uq_members_chain_id_wallet_id")),
    )
    with op.batch_alter_table("members", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_members_chain_id_id"), ["chain_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_members_chain_id_joined_at"), ["chain_id", "joined_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_members_chain_id_phone"), ["chain_id", "phone"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_members_chain_id_store_id_id"), ["chain_id", "store_id", "id"], unique=False
        )

    op.create_table(
        "tiers",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("program_id", BigInt, nullable=False),
        sa.Column("rank", BigInt, nullable=False),
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("name_en", sa.String(length=30), nullable=False),
        sa.Column("discount_bp", BigInt, nullable=False),
        sa.Column("points_multiplier_bp", BigInt, nullable=False),
        sa.Column("threshold_points", BigInt, nullable=False),
        sa.CheckConstraint("discount_bp BETWEEN 0 AND 10000", name=op.f("ck_tiers_discount_range")),
        sa.CheckConstraint("points_multiplier_bp >= 0", name=op.f("ck_tiers_multiplier_not_negative")),
        sa.CheckConstraint("rank >= 0 AND threshold_points >= 0", name=op.f("ck_tiers_threshold_not_negative")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_tiers_chain_id_chains")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_tiers_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tiers")),
        sa.UniqueConstraint("program_id", "rank", name=op.f("uq_tiers_program_id_rank")),
    )
    op.create_table(
        "cards",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("program_id", BigInt, nullable=False),
        sa.Column("wallet_id", BigInt, nullable=False),
        sa.Column("member_id", BigInt, nullable=False),
        sa.Column("tier_id", BigInt, nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("code_secret", sa.LargeBinary(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("points", BigInt, nullable=False),
        sa.Column("value_cents", BigInt, nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("store_id", BigInt, nullable=True),
        sa.Column("store_code_id", BigInt, nullable=True),
        sa.Column("share_link_id", BigInt, nullable=True),
        sa.Column("issued_at", UtcDateTime(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name=op.f("ck_cards_closed_has_time")),
        sa.CheckConstraint("channel IN ('scan', 'share', 'import')", name=op.f("ck_cards_channel_known")),
        sa.CheckConstraint(
            "state IN ('active', 'frozen', 'closed', 'merged', 'erased')", name=op.f("ck_cards_state_known")
        ),
        sa.CheckConstraint("length(number) = 16", name=op.f("ck_cards_number_length")),
        sa.CheckConstraint("points >= 0", name=op.f("ck_cards_points_not_negative")),
        sa.CheckConstraint("value_cents >= 0", name=op.f("ck_cards_value_not_negative")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_cards_chain_id_chains")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_cards_member_id_members")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_cards_program_id_programs")),
        sa.ForeignKeyConstraint(["store_code_id"], ["store_codes.id"], name=op.f("fk_cards_store_code_id_store_codes")),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_cards_store_id_stores")),
        sa.ForeignKeyConstraint(["tier_id"], ["tiers.id"], name=op.f("fk_cards_tier_id_tiers")),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallets.id"], name=op.f("fk_cards_wallet_id_wallets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cards")),
        sa.UniqueConstraint("chain_id", "program_id", "wallet_id", name=op.f("uq_cards_chain_id_program_id_wallet_id")),
        sa.UniqueConstraint("number", name=op.f("uq_cards_number")),
    )
    with op.batch_alter_table("cards", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_cards_chain_id_issued_on_store_id"), ["chain_id", "issued_on", "store_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_cards_chain_id_member_id"), ["chain_id", "member_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_cards_wallet_id"), ["wallet_id"], unique=False)

    op.create_table(
        "point_entries",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("card_id", BigInt, nullable=False),
        sa.Column("delta", BigInt, nullable=False),
        sa.Column("balance", BigInt, nullable=False),
        sa.Column("cause", sa.String(length=60), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("balance >= 0", name=op.f("ck_point_entries_balance_not_negative")),
        sa.CheckConstraint("delta <> 0", name=op.f("ck_point_entries_delta_not_zero")),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_point_entries_card_id_cards")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_point_entries_chain_id_chains")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_point_entries")),
    )
    with op.batch_alter_table("point_entries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_point_entries_card_id_id"), ["card_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_point_entries_chain_id_id"), ["chain_id", "id"], unique=False)
