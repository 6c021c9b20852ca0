"""create push turns"""

import sqlalchemy as sa
from alembic import op

from core.db import BigInt

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "push_turns",
        sa.Column("member_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("turn", BigInt, nullable=False),
        sa.CheckConstraint("turn >= 1", name=op.f("ck_push_turns_turn_positive")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_push_turns_chain_id_chains")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_push_turns_member_id_members")),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_push_turns")),
    )
