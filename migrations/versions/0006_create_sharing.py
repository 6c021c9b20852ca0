"""create sharing"""

import sqlalchemy as sa
from alembic import op

from core.db import BigInt, UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sharing_policies",
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("window_days", BigInt, nullable=False),
        sa.Column("store_code_wins", sa.Boolean(), nullable=False),
        sa.CheckConstraint("window_days BETWEEN 1 AND 90", name=op.f("ck_sharing_policies_window_range")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_sharing_policies_chain_id_chains")),
        sa.PrimaryKeyConstraint("chain_id", name=op.f("pk_sharing_policies")),
    )
    op.create_table(
        "share_links",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("program_id", BigInt, nullable=False),
        sa.Column("card_id", BigInt, nullable=False),
        sa.Column("member_id", BigInt, nullable=False),
        sa.Column("store_id", BigInt, nullable=True),
        sa.Column("parent_id", BigInt, nullable=True),
        sa.Column("token", sa.String(length=40), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("visits", BigInt, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "channel IN ('friend', 'group', 'moments', 'poster', 'copy')", name=op.f("ck_share_links_channel_known")
        ),
        sa.CheckConstraint("length(token) >= 13", name=op.f("ck_share_links_token_length")),
        sa.CheckConstraint("visits >= 0", name=op.f("ck_share_links_visits_not_negative")),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_share_links_card_id_cards")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_share_links_chain_id_chains")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_share_links_member_id_members")),
        sa.ForeignKeyConstraint(["parent_id"], ["share_links.id"], name=op.f("fk_share_links_parent_id_share_links")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_share_links_program_id_programs")),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_share_links_store_id_stores")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_links")),
        sa.UniqueConstraint("token", name=op.f("uq_share_links_token")),
    )
    with op.batch_alter_table("share_links", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_share_links_card_id"), ["card_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_share_links_chain_id_created_at"), ["chain_id", "created_at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_share_links_chain_id_id"), ["chain_id", "id"], unique=False)

    op.create_table(
        "referrals",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("member_id", BigInt, nullable=False),
        sa.Column("referrer_id", BigInt, nullable=False),
        sa.Column("root_id", BigInt, nullable=False),
        sa.Column("card_id", BigInt, nullable=False),
        sa.Column("share_link_id", BigInt, nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("store_id", BigInt, nullable=True),
        sa.Column("depth", BigInt, nullable=False),
        sa.Column("path", sa.String().with_variant(sa.String(collation="C"), "postgresql"), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("depth >= 1", name=op.f("ck_referrals_depth_positive")),
        sa.CheckConstraint("length(path) = 10 * (depth + 1)", name=op.f("ck_referrals_path_fits_depth")),
        sa.CheckConstraint("member_id <> referrer_id", name=op.f("ck_referrals_not_self")),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_referrals_card_id_cards")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_referrals_chain_id_chains")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_referrals_member_id_members")),
        sa.ForeignKeyConstraint(["referrer_id"], ["members.id"], name=op.f("fk_referrals_referrer_id_members")),
        sa.ForeignKeyConstraint(["root_id"], ["members.id"], name=op.f("fk_referrals_root_id_members")),
        sa.ForeignKeyConstraint(
            ["share_link_id"], ["share_links.id"], name=op.f("fk_referrals_share_link_id_share_links")
        ),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_referrals_store_id_stores")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_referrals")),
        sa.UniqueConstraint("chain_id", "member_id", name=op.f("uq_referrals_chain_id_member_id")),
    )
    with op.batch_alter_table("referrals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_referrals_chain_id_created_at"), ["chain_id", "created_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_referrals_chain_id_path"), ["chain_id", "path"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_referrals_chain_id_referrer_id"), ["chain_id", "referrer_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_referrals_chain_id_root_id"), ["chain_id", "root_id"], unique=False)

    op.create_table(
        "share_visitors",
        sa.Column("share_link_id", BigInt, nullable=False),
        sa.Column("visitor", sa.String(length=64), nullable=False),
        sa.Column("last_visit_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["share_link_id"], ["share_links.id"], name=op.f("fk_share_visitors_share_link_id_share_links")
        ),
        sa.PrimaryKeyConstraint("share_link_id", "visitor", name=op.f("pk_share_visitors")),
    )
    with op.batch_alter_table("share_visitors", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_share_visitors_visitor_last_visit_at"), ["visitor", "last_visit_at"], unique=False
        )

    op.create_table(
        "share_visits",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("share_link_id", BigInt, nullable=False),
        sa.Column("visitor", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_share_visits_chain_id_chains")),
        sa.ForeignKeyConstraint(
            ["share_link_id"], ["share_links.id"], name=op.f("fk_share_visits_share_link_id_share_links")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_visits")),
    )
    with op.batch_alter_table("share_visits", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_share_visits_chain_id_at"), ["chain_id", "at"], unique=False)
        batch_op.create_index(batch_op.f("ix_share_visits_share_link_id_at"), ["share_link_id", "at"], unique=False)
