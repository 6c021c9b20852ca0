"""A database for a benchmark: migrated, filled, with the application in front of it."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from app.factory import create_app
from benchmarks import serving
from benchmarks.rounds import say
from core.db import db
from tests import postgres_server

POSTGRESQL = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}


@contextmanager
def filled(database: str, name: str, what: str, fill: Callable[[str], None]) -> Iterator[str]:
    """The address of a database (sqlite, postgresql) of that name, in an application context; gone at the end."""
    with TemporaryDirectory(prefix=f"kaquan-{name}-") as folder:
        url = f"sqlite:///{Path(folder) / f'{name}.db'}"
        if database == "postgresql":
            server = postgres_server.start(POSTGRESQL)
            if server is None:
                raise SystemExit("The benchmarks need PostgreSQL: unset ALLOW_MISSING")
            url = postgres_server.create_database(server.url, name)
        say(f"{database}: {what} …")
        serving.migrate(url, Path(folder))
        fill(url)
        app = create_app(database_url=url, secret_key="benchmarks" * 5, testing=True)
        gc.collect()
        gc.freeze()  # as wsgi.py does
        with app.app_context():
            try:
                yield url
            finally:
                db.session.remove()
                db.engine.dispose()
    postgres_server.stop()
