"""The migrations build the very database that the models describe, on both databases."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from flask import Flask, current_app
from flask_migrate import upgrade
from sqlalchemy import Engine, MetaData, create_engine, insert, inspect, select, text

from app.config import ROOT
from app.factory import create_app
from app.models import metadata
from core.db import db
from tests import postgres_server
from tests.conftest import SERVER
from tests.reports import story

Rows = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
def empty_database(app, database, tmp_path, worker_id) -> str:
    """The address of a database without tables, beside that of the application."""
    if database == "sqlite":
        return f"sqlite:///{tmp_path / 'other.db'}"
    return postgres_server.create_database(os.environ[SERVER], f"other_{worker_id}")


@pytest.fixture
def by_models(empty_database) -> Iterator[Engine]:
    """An empty database whose tables were made from the models."""
    engine = create_engine(empty_database)
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


@pytest.fixture
def older(app, empty_database) -> Iterator[Flask]:
    """An application on a database of the eighth migration, with the rows of the reports' story in it."""
    story.tell()
    db.session.commit()
    now = db.engine
    application = create_app(database_url=empty_database, secret_key="s" * 40, testing=True)
    with application.app_context():
        upgrade(revision="0008")
        tables = tables_of(db.engine)
        with now.connect() as ours, db.engine.begin() as theirs:
            for table in tables.sorted_tables:
                if rows := [dict(row) for row in ours.execute(select(table).order_by(*table.primary_key)).mappings()]:
                    theirs.execute(insert(table), rows)
        yield application
        db.engine.dispose()


def tables_of(engine: Engine) -> MetaData:
    tables = MetaData()
    tables.reflect(engine)
    tables.remove(tables.tables["alembic_version"])
    return tables


def rows_of(tables: MetaData) -> Rows:
    with db.engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in tables.sorted_tables
        }


def test_a_database_with_rows_keeps_every_one_of_them(older):
    tables = tables_of(db.engine)
    before = rows_of(tables)

    upgrade()

    assert rows_of(tables) == before
    assert {name for name, rows in before.items() if rows} >= {"offers", "coupons", "checkouts", "cards", "members"}


def test_no_row_of_an_upgraded_database_points_nowhere(older):
    upgrade()

    with db.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        else:
            unchecked = "SELECT conname FROM pg_constraint WHERE contype = 'f' AND NOT convalidated"
            assert connection.execute(text(unchecked)).all() == []


def test_an_upgraded_database_has_the_rules_of_a_new_one(app, older):
    upgrade()
    upgraded = described(db.engine)

    with app.app_context():
        assert upgraded == described(db.engine)


def test_cards_begin_with_the_progress_they_had(older):
    upgrade()

    with db.engine.connect() as connection:
        progress = connection.execute(text("SELECT id, earned_points, spent_cents FROM cards ORDER BY id")).all()
    assert [tuple(row) for row in progress] == [(1, 70, 5200 + 5700), (2, 0, 0), (3, 0, 0), (4, 0, 0), (5, 0, 0)]
