"""keep what providers tell of a message before we noted how they call it"""

import sqlalchemy as sa
from alembic import op

from core.db import BigInt, UtcDateTime

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

CHANNELS = "'inbox', 'email', 'gateway', 'web_push', 'wechat_template', 'wechat_subscription'"


def upgrade() -> None:
    op.create_table(
        "early_receipts",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("channel", sa.String(20), nullable=False),
        sa.Column("ref", sa.String(100), nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("error", sa.String(200), nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(f"channel IN ({CHANNELS})", name=op.f("ck_early_receipts_channel_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_early_receipts")),
    )
