"""remember the welcome gifts that are due"""

import sqlalchemy as sa
from alembic import op

from core.db import BigInt, UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "welcome_dues",
        sa.Column("card_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("offer_id", BigInt, nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_welcome_dues_card_id_cards")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_welcome_dues_chain_id_chains")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_welcome_dues_offer_id_offers")),
        sa.PrimaryKeyConstraint("card_id", name=op.f("pk_welcome_dues")),
    )
    with op.batch_alter_table("welcome_dues", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_welcome_dues_chain_id_due_at"), ["chain_id", "due_at"], unique=False)
