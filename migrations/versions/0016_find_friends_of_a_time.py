"""find the friends whom a member brought in some time"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("referrals", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_referrals_chain_id_referrer_id"))
        batch_op.create_index(
            batch_op.f("ix_referrals_chain_id_referrer_id_created_at"),
            ["chain_id", "referrer_id", "created_at"],
            unique=False,
        )
