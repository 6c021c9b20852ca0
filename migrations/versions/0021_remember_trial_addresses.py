"""remember where people of head office have test messages sent"""

import sqlalchemy as sa
from alembic import op

from core.db import BigInt, UtcDateTime

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trial_addresses",
        sa.Column("staff_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "channel IN ('inbox', 'email', 'gateway', 'web_push', 'wechat_template', 'wechat_subscription')",
            name=op.f("ck_trial_addresses_channel_known"),
        ),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_trial_addresses_chain_id_chains")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_trial_addresses_staff_id_staff")),
        sa.PrimaryKeyConstraint("staff_id", "channel", name=op.f("pk_trial_addresses")),
    )
    with op.batch_alter_table("trial_addresses", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_trial_addresses_chain_id"), ["chain_id"], unique=False)
