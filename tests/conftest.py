"""One application per database; every test runs on both, on tables that are empty."""

import asyncio
import gc
import os
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask, g
from flask.testing import FlaskClient
from flask_migrate import upgrade
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import event

from app import models
from app.factory import create_app
from core.db import db
from stores import staffing
from tests import postgres_server
from tests.reversed_rows import reverse_rows

SERVER = "KAQUAN_TEST_POSTGRES"  # where the address of this process's PostgreSQL stands
DATABASES = ["sqlite", "postgresql"]

gc.disable()  # while thousands of tests are collected, which all stay: see pytest_collection_finish


def pytest_configure(config: pytest.Config) -> None:
    """Each process that runs tests has a PostgreSQL of its own: transactions of all its databases are numbered
    together, and a reader of events waits for those of the others.
    """
    os.environ.setdefault("KAQUAN_NO_DOTENV", "1")
    os.environ.setdefault("FLASK_SKIP_DOTENV", "1")  # else its commands read .env before we are asked
    os.environ.pop("DATABASE_URL", None)
    if os.environ.get("KAQUAN_REVERSED"):
        reverse_rows()
    leaves_it_to_workers = bool(config.getoption("numprocesses", None)) and not hasattr(config, "workerinput")
    if leaves_it_to_workers or config.option.collectonly:
        return
    server = postgres_server.start()
    os.environ[SERVER] = server.url if server else ""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests come first in each process's share, the longest before: else the others wait for one at the end."""
    slow = sorted((item for item in items if item.get_closest_marker("slow")), key=_seconds_given, reverse=True)
    quick = [item for item in items if not item.get_closest_marker("slow")]
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ordered: list[pytest.Item] = []
    for number in range(processes):
        share = (len(items) - len(ordered)) // (processes - number)  # as xdist deals them
        own = slow[number::processes]
        more = max(share - len(own), 0)
        ordered += own + quick[:more]
        del quick[:more]
    items[:] = ordered + quick


def _seconds_given(item: pytest.Item) -> float:
    timeout = item.get_closest_marker("timeout")
    return float(timeout.args[0]) if timeout else 0.0


def pytest_collection_finish() -> None:
    """The garbage collector need not search again and again what lives as long as this process."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    postgres_server.stop()


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> None:
    staffing.hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(scope="session")
def applications() -> Iterator[dict[str, Flask]]:
    """Made when first asked for: an application on a migrated database of this worker."""
    made: dict[str, Flask] = {}
    yield made
    for application in made.values():
        with application.app_context():
            db.engine.dispose()


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> FileSystemBytecodeCache:
    """Each template is compiled once in a test run, not once by each application of each process."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder if worker_id == "master" else folder.parent) / "templates"
    folder.mkdir(exist_ok=True)
    return FileSystemBytecodeCache(str(folder))


def make_application(database: str, folder: Path, worker_id: str) -> Flask:
    if database == "sqlite":
        url = f"sqlite:///{folder / 'test.db'}"
    else:
        server = os.environ.get(SERVER)
        if not server:
            pytest.skip("no PostgreSQL (ALLOW_MISSING=1)")
        url = postgres_server.create_database(server, f"test_{worker_id}")
    app = create_app(database_url=url, secret_key="s" * 40, testing=True, public_url="http://localhost")
    app.test_client_class = Visitor
    with app.app_context():
        upgrade()
        if database == "postgresql":
            with db.engine.begin() as connection:
                connection.exec_driver_sql(emptying_function())
    return app


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def app(
    database: str,
    applications: dict[str, Flask],
    compiled_templates: FileSystemBytecodeCache,
    tmp_path_factory: pytest.TempPathFactory,
    worker_id: str,
) -> Iterator[Flask]:
    """The application on an empty database, with its context open."""
    if database not in applications:
        folder = tmp_path_factory.mktemp(database)
        applications[database] = make_application(database, folder, worker_id)
        applications[database].jinja_env.bytecode_cache = compiled_templates
    application = applications[database]
    with application.app_context():
        empty_tables()
        application.extensions["limiter"].storage.reset()
        yield application
        db.session.remove()


@cache
def tables() -> list[str]:
    """Every table, those that refer to others before them."""
    return [table.name for table in reversed(models.metadata.sorted_tables)]


def emptying_function() -> str:
    """A function of PostgreSQL, for it plans what a function does but once: so many statements are not kept otherwise.

    It deletes what is there and has ids count from 1 again. TRUNCATE would take longer, for most tables are empty.
    """
    deletes = "\n".join(f"IF EXISTS (SELECT FROM {name}) THEN DELETE FROM {name}; END IF;" for name in tables())
    return f"""
        CREATE FUNCTION empty_tables() RETURNS void LANGUAGE plpgsql
        SET session_replication_role = replica  -- no foreign keys meanwhile
        AS $$ BEGIN
            {deletes}
            PERFORM setval(format('%%I.%%I', schemaname, sequencename)::regclass, 1, false)
            FROM pg_sequences WHERE last_value IS NOT NULL;
        END $$
    """


def empty_tables() -> None:
    """Empty what has rows, and count from 1 again."""
    with db.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT empty_tables()")
            return
        rows_of = (f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in tables())
        full = set(connection.exec_driver_sql(" UNION ALL ".join(rows_of)).scalars())
        for name in tables():
            if name in full:
                connection.exec_driver_sql(f"DELETE FROM {name}")


class Visitor(FlaskClient):
    """A client whose every request has a ``g`` of its own, though the test keeps one context open."""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        for name in list(g):
            g.pop(name)
        return super().open(*args, **kwargs)


@pytest.fixture
def client(app: Flask):
    return app.test_client()


@pytest.fixture(autouse=True)
def _no_loop_of_a_browser(request: pytest.FixtureRequest) -> Iterator[None]:
    """Playwright leaves its event loop running in this thread while the browser lives: others want their own."""
    if "browser" in request.path.parts:
        yield
        return
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(loop)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaves this machine: only loopback and local sockets."""
    connect = socket.socket.connect

    def only_here(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0])  # type: ignore[index]
            assert host.startswith("127.") or host in ("localhost", "::1"), f"the test reached for {host}"
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", only_here)


@pytest.fixture
def count_queries(app: Flask) -> Iterator[list[str]]:
    """The statements that SQLAlchemy sent since the fixture began."""
    sent: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield sent
    event.remove(db.engine, "before_cursor_execute", note)
