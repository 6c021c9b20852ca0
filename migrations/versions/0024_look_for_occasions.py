"""look for what happens to members without looking at all of them"""

import sqlalchemy as sa
from alembic import op

from core.db import BigInt, UtcDateTime

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "campaign_looks",
        sa.Column("campaign_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("zone", sa.String(60), nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("days", BigInt, nullable=False),
        sa.Column("looked_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("days >= 0", name=op.f("ck_campaign_looks_days_not_negative")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_campaign_looks_campaign_id_campaigns"),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name="fk_campaign_looks_chain_id_chains"),
        sa.PrimaryKeyConstraint("campaign_id", "zone", name=op.f("pk_campaign_looks")),
    )
    op.create_index("ix_campaign_looks_chain_id_campaign_id", "campaign_looks", ["chain_id", "campaign_id"])
    op.create_index(
        "ix_campaign_entries_chain_id_run_id_member_id", "campaign_entries", ["chain_id", "run_id", "member_id"]
    )
    op.drop_index("ix_campaign_entries_chain_id_run_id", "campaign_entries")
    _partial("ix_campaign_entries_due", "campaign_entries", ["due_at", "campaign_id"], "run_id IS NULL")
    _partial("ix_members_birthday", "members", ["chain_id", "birthday"], "birthday IS NOT NULL")


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
