"""deepen webhooks: whose an endpoint is, its last secret, its rests, why it is disabled; what became of each try"""

import sqlalchemy as sa
from alembic import op

from core.db import UtcDateTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

UNFINISHED = sa.text("state IN ('pending', 'sending')")


def upgrade() -> None:
    with op.batch_alter_table("webhook_endpoints", schema=None) as batch_op:
        batch_op.add_column(sa.Column("name", sa.String(length=80), server_default="", nullable=False))
        batch_op.add_column(sa.Column("previous_secret", sa.String(length=80), nullable=True))
        batch_op.add_column(sa.Column("previous_until", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("failing_since", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("resting_until", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("disabled_because", sa.String(length=10), nullable=True))
        batch_op.create_check_constraint(
            op.f("ck_webhook_endpoints_disabled_because_known"), "disabled_because IN ('staff', 'failing', 'gone')"
        )
        batch_op.create_check_constraint(
            op.f("ck_webhook_endpoints_previous_secret_ends"),
            "(previous_secret IS NULL) = (previous_until IS NULL)",
        )
        batch_op.create_check_constraint(
            op.f("ck_webhook_endpoints_disabled_has_reason"), "(disabled_because IS NULL) = (disabled_at IS NULL)"
        )
    with op.batch_alter_table("webhook_messages", schema=None) as batch_op:
        batch_op.add_column(sa.Column("error", sa.String(length=200), nullable=True))
        batch_op.add_column(sa.Column("tried_at", UtcDateTime(), nullable=True))
        batch_op.create_index(batch_op.f("ix_webhook_messages_endpoint_id_id"), ["endpoint_id", "id"], unique=False)
        batch_op.drop_index("ix_webhook_messages_due")
        batch_op.create_index(
            "ix_webhook_messages_due",
            ["endpoint_id", "due_at"],
            unique=False,
            sqlite_where=UNFINISHED,
            postgresql_where=UNFINISHED,
        )
