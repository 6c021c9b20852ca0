"""make segments ready: those worked out for a chain; names are taken by standing ones only"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

STANDING = sa.text("archived_at IS NULL")


def upgrade() -> None:
    with op.batch_alter_table("segments", schema=None) as batch_op:
        batch_op.add_column(sa.Column("ready_made", sa.String(length=10), nullable=True))
        batch_op.drop_constraint(op.f("uq_segments_chain_id_name"), type_="unique")
        batch_op.create_check_constraint(
            op.f("ck_segments_ready_made_known"),
            "ready_made IN ('champions', 'loyal', 'promising', 'new', 'at_risk', 'lost')",
        )
    for column in ("name", "ready_made"):
        op.create_index(
            f"uq_segments_standing_{column}",
            "segments",
            ["chain_id", column],
            unique=True,
            sqlite_where=STANDING,
            postgresql_where=STANDING,
        )
