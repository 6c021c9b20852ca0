"""count the generations of a whole chain, and when they came, from an index alone"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("referrals", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_referrals_chain_id_depth_channel_created_at"),
            ["chain_id", "depth", "channel", "created_at"],
            unique=False,
        )
