"""create stores"""

import sqlalchemy as sa
from alembic import op

from core.db import BigInt, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chains",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("slug", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("name_en", sa.String(length=80), nullable=False),
        sa.Column("timezone", sa.String(length=60), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("cutoff_hour", BigInt, nullable=False),
        sa.Column("accent", sa.String(length=7), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("language IN ('zh', 'en')", name=op.f("ck_chains_language_known")),
        sa.CheckConstraint("cutoff_hour BETWEEN 0 AND 12", name=op.f("ck_chains_cutoff_hour_range")),
        sa.CheckConstraint("length(accent) = 7", name=op.f("ck_chains_accent_is_hex")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chains")),
        sa.UniqueConstraint("slug", name=op.f("uq_chains_slug")),
    )
    op.create_table(
        "staff",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("login", sa.String(length=120), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("failed_logins", BigInt, nullable=False),
        sa.Column("locked_until", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("language IN ('zh', 'en')", name=op.f("ck_staff_language_known")),
        sa.CheckConstraint(
            "role IN ('hq_admin', 'hq_analyst', 'store_manager', 'clerk')", name=op.f("ck_staff_role_known")
        ),
        sa.CheckConstraint("failed_logins >= 0", name=op.f("ck_staff_failed_logins_not_negative")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_staff_chain_id_chains")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("login", name=op.f("uq_staff_login")),
    )
    with op.batch_alter_table("staff", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_staff_chain_id_id"), ["chain_id", "id"], unique=False)

    op.create_table(
        "stores",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("address", sa.String(length=300), nullable=False),
        sa.Column("city", sa.String(length=80), nullable=False),
        sa.Column("region", sa.String(length=80), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("postcode", sa.String(length=20), nullable=False),
        sa.Column("phone", sa.String(length=40), nullable=False),
        sa.Column("timezone", sa.String(length=60), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("(longitude IS NULL) = (latitude IS NULL)", name=op.f("ck_stores_point_is_whole")),
        sa.CheckConstraint("latitude BETWEEN -90 AND 90", name=op.f("ck_stores_latitude_range")),
        sa.CheckConstraint("length(code) > 0", name=op.f("ck_stores_code_not_empty")),
        sa.CheckConstraint("longitude BETWEEN -180 AND 180", name=op.f("ck_stores_longitude_range")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_stores_chain_id_chains")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stores")),
        sa.UniqueConstraint("chain_id", "code", name=op.f("uq_stores_chain_id_code")),
    )
    with op.batch_alter_table("stores", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_stores_chain_id_city"), ["chain_id", "city"], unique=False)

    op.create_table(
        "api_keys",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("store_id", BigInt, nullable=True),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("last_four", sa.String(length=4), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "role IN ('hq_admin', 'hq_analyst', 'store_manager', 'clerk')", name=op.f("ck_api_keys_role_known")
        ),
        sa.CheckConstraint(
            "role LIKE 'hq_%' OR store_id IS NOT NULL", name=op.f("ck_api_keys_store_roles_need_a_store")
        ),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_api_keys_chain_id_chains")),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_api_keys_store_id_stores")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
    )
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_keys_chain_id_id"), ["chain_id", "id"], unique=False)

    op.create_table(
        "staff_sessions",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("staff_id", BigInt, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("valid_until", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("created_at < valid_until", name=op.f("ck_staff_sessions_validity_order")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_sessions_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_staff_sessions_token_hash")),
    )
    with op.batch_alter_table("staff_sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_staff_sessions_staff_id"), ["staff_id"], unique=False)

    op.create_table(
        "staff_stores",
        sa.Column("staff_id", BigInt, nullable=False),
        sa.Column("store_id", BigInt, nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_stores_staff_id_staff")),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_staff_stores_store_id_stores")),
        sa.PrimaryKeyConstraint("staff_id", "store_id", name=op.f("pk_staff_stores")),
    )
    op.create_table(
        "store_codes",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("store_id", BigInt, nullable=False),
        sa.Column("token", sa.String(length=40), nullable=False),
        sa.Column("label", sa.String(length=60), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("length(token) >= 13", name=op.f("ck_store_codes_token_length")),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_store_codes_chain_id_chains")),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_store_codes_store_id_stores")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_store_codes")),
        sa.UniqueConstraint("token", name=op.f("uq_store_codes_token")),
    )
    with op.batch_alter_table("store_codes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_store_codes_chain_id_store_id"), ["chain_id", "store_id"], unique=False)

    op.create_table(
        "scans",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("chain_id", BigInt, nullable=False),
        sa.Column("store_id", BigInt, nullable=False),
        sa.Column("store_code_id", BigInt, nullable=False),
        sa.Column("visitor", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["chain_id"], ["chains.id"], name=op.f("fk_scans_chain_id_chains")),
        sa.ForeignKeyConstraint(["store_code_id"], ["store_codes.id"], name=op.f("fk_scans_store_code_id_store_codes")),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_scans_store_id_stores")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scans")),
    )
    with op.batch_alter_table("scans", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_scans_chain_id_store_id_at"), ["chain_id", "store_id", "at"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_scans_store_code_id_visitor_at"), ["store_code_id", "visitor", "at"], unique=False
        )
