"""The migrations build the very database that the models describe, on both databases."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import Engine, create_engine, inspect

from app.config import ROOT
from app.models import metadata
from core.db import db
from tests import postgres_server
from tests.conftest import SERVER


@pytest.fixture
def by_models(app, database, tmp_path, worker_id) -> Iterator[Engine]:
    """An empty database whose tables were made from the models."""
    if database == "sqlite":
        url = f"sqlite:///{tmp_path / 'models.db'}"
    else:
        url = postgres_server.create_database(os.environ[SERVER], f"models_{worker_id}")
    engine = create_engine(url)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


def described(engine: Engine) -> dict[str, Any]:
    """Everything the database itself says about its tables, in an order that does not matter."""
    database = inspect(engine)
    names = set(database.get_table_names()) - {"alembic_version"}
    return {name: _table(database, name) for name in sorted(names)}


def _table(database: Any, name: str) -> dict[str, Any]:
    return {
        "columns": {
            c["name"]: (str(c["type"]), getattr(c["type"], "collation", None), c["nullable"], c["default"])
            for c in database.get_columns(name)
        },
        "primary key": database.get_pk_constraint(name)["constrained_columns"],
        "foreign keys": sorted(
            (k["name"], k["constrained_columns"], k["referred_table"], k["referred_columns"], str(k["options"]))
            for k in database.get_foreign_keys(name)
        ),
        "uniques": sorted((u["name"], u["column_names"]) for u in database.get_unique_constraints(name)),
        "checks": sorted((c["name"], c["sqltext"]) for c in database.get_check_constraints(name)),
        "indexes": sorted(
            (i["name"], i["column_names"], bool(i["unique"]), _predicate(i)) for i in database.get_indexes(name)
        ),
    }


def _predicate(index: dict[str, Any]) -> str:
    options = index.get("dialect_options", {})
    return "".join(str(options[name]) for name in ("postgresql_where", "sqlite_where") if options.get(name) is not None)


def test_migrations_and_models_make_the_same_database(app, by_models):
    migrated, modelled = described(db.engine), described(by_models)

    assert set(migrated) == set(modelled)
    for table in modelled:
        assert migrated[table] == modelled[table], table


def test_the_comparison_sees_partial_indexes_and_checks(app, by_models):
    """The control: what the comparison could miss in silence is in what it compares."""
    tables = described(by_models)

    partial = {index[0]: index[3] for index in tables["redemptions"]["indexes"]}
    assert "undone_at IS NULL" in partial["uq_redemptions_coupon_in_use"]
    assert any("claimed" in check[1] for check in tables["offer_slots"]["checks"])


def test_a_column_too_many_is_noticed(app, by_models):
    with by_models.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE chains ADD COLUMN surplus INTEGER")

    assert described(db.engine) != described(by_models)


def test_migrations_stand_in_one_line():
    folder = ROOT / "migrations" / "versions"
    numbers = sorted(path.name.split("_")[0] for path in folder.glob("[0-9]*.py"))

    assert numbers == [f"{number:04d}" for number in range(1, len(numbers) + 1)]


def test_there_is_one_newest_migration(app):
    with app.app_context():
        script = ScriptDirectory.from_config(current_app.extensions["migrate"].migrate.get_config())

    assert len(script.get_heads()) == 1
