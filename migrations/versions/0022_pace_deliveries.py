"""remember when a delivery was first tried; find what is due over a channel past any number over others"""

import sqlalchemy as sa
from alembic import op

from core.db import UtcDateTime

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

UNFINISHED = sa.text("state IN ('pending', 'sending')")


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("first_tried_at", UtcDateTime(), nullable=True))
    op.drop_index("ix_deliveries_due", table_name="deliveries")
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["channel", "due_at", "id"],
        sqlite_where=UNFINISHED,
        postgresql_where=UNFINISHED,
    )
