"""count the codes of a batch that are made"""

import sqlalchemy as sa
from alembic import op

from core.db import BigInt

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("code_batches", schema=None) as batch_op:
        batch_op.add_column(sa.Column("made", BigInt, server_default="0", nullable=False))
    op.execute("UPDATE code_batches SET made = size")
    with op.batch_alter_table("code_batches", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_code_batches_size_not_negative"), type_="check")  # the next says it too
        batch_op.create_check_constraint(op.f("ck_code_batches_made_within_size"), "made BETWEEN 0 AND size")
        batch_op.create_check_constraint(op.f("ck_code_batches_active_is_whole"), "state <> 'active' OR made = size")
