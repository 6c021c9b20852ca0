"""remember when a link was last opened, and count parallel scans once"""

import sqlalchemy as sa
from alembic import op

from core.db import BigInt, UtcDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("share_visitors", sa.Column("opened_at", UtcDateTime(), nullable=True))
    op.execute("UPDATE share_visitors SET opened_at = last_visit_at")
    with op.batch_alter_table("share_visitors", schema=None) as batch_op:
        batch_op.alter_column("opened_at", existing_type=UtcDateTime(), nullable=False)
        batch_op.drop_index(batch_op.f("ix_share_visitors_visitor_last_visit_at"))
        batch_op.create_index(batch_op.f("ix_share_visitors_visitor_opened_at"), ["visitor", "opened_at"], unique=False)
        batch_op.create_check_constraint(op.f("ck_share_visitors_opened_since_visit"), "opened_at >= last_visit_at")

    op.create_table(
        "scan_visitors",
        sa.Column("store_code_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("visitor", sa.String(length=64), nullable=False),
        sa.Column("last_scan_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["store_code_id"], ["store_codes.id"], name=op.f("fk_scan_visitors_store_code_id_store_codes")
        ),
        sa.PrimaryKeyConstraint("store_code_id", "visitor", name=op.f("pk_scan_visitors")),
    )
    op.execute(
        "INSERT INTO scan_visitors (store_code_id, visitor, last_scan_at)"
        " SELECT store_code_id, visitor, max(at) FROM scans GROUP BY store_code_id, visitor"
    )
