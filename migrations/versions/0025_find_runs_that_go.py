"""find the runs that go out among all that ever did"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_campaign_runs_state", "campaign_runs", ["state"])
