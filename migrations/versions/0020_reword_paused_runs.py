"""let what has not gone of a run go on as another run, with other words"""

import sqlalchemy as sa
from alembic import op

from core.db import BigInt

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("campaign_runs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("continues_run_id", BigInt, nullable=True))
        batch_op.create_foreign_key(
            batch_op.f("fk_campaign_runs_continues_run_id_campaign_runs"), "campaign_runs", ["continues_run_id"], ["id"]
        )
