"""find what went wrong in a run among all that went"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

WRONG = sa.text("error IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_deliveries_error", "deliveries", ["run_id", "state", "channel"], sqlite_where=WRONG, postgresql_where=WRONG
    )
