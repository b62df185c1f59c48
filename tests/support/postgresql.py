"""A throw-away PostgreSQL: a cluster in a folder of its own that listens on nothing but a socket there."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest


def programs() -> Path | None:
    """Where PostgreSQL's programs are, None where it is not installed."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    return max((path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None)


class PostgreSql:
    """A running one, with one database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def url(self) -> str:
        """Of the database, emptied: much quicker than another one."""
        with psycopg.connect(host=str(self.folder), user="kgate", dbname="postgres", autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return f"postgresql+psycopg://kgate@/postgres?host={self.folder}"

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It answers nothing for a while, as a server that hangs does."""
        master = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(master, signal.SIGSTOP)  # first: from now on it starts no other, which would answer
        processes = [*map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split()), master]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)


@contextlib.contextmanager
def pooled(running: PostgreSql) -> Iterator[str]:
    """PgBouncer in front of it, which gives a connection for a transaction only; the URL of the emptied database behind it."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed (apt-get install pgbouncer)")
    running.url()
    folder, settings = running.folder, running.folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\npostgres = host={folder} user=kgate\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {folder}\n"
        f"auth_type = any\npool_mode = transaction\nlogfile = {folder}/pgbouncer.log\n"
    )
    with subprocess.Popen([*_become(), program, "-q", str(settings)], cwd=folder) as process:
        try:
            while not _answers(folder / ".s.PGSQL.6432"):
                assert process.poll() is None, (folder / "pgbouncer.log").read_text()
                time.sleep(0.01)
            yield f"postgresql+psycopg://kgate@/postgres?host={folder}&port=6432"
        finally:
            process.terminate()


def _answers(path: Path) -> bool:
    """Whether somebody listens there: a socket has its name a little earlier."""
    with socket.socket(socket.AF_UNIX) as asked:
        return asked.connect_ex(str(path)) == 0


def _become() -> list[str]:
    """It refuses to run as root, who lends it another user."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


@contextlib.contextmanager
def throw_away(where: Path) -> Iterator[PostgreSql]:
    """One that is gone afterwards. ``where`` are its programs."""
    folder = Path(tempfile.mkdtemp(prefix="kgate-pg-"))
    become = _become()
    if become:
        shutil.chown(folder, "postgres", "postgres")

    def run(*command: str) -> None:
        done = subprocess.run(
            [*become, *command], capture_output=True, text=True, check=False, cwd=folder, env={"PATH": os.environ["PATH"]}
        )
        assert done.returncode == 0, done.stdout + done.stderr

    data = str(folder / "data")
    run(str(where / "initdb"), "-D", data, "-U", "kgate", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    subprocess.run(
        [*become, str(where / "pg_ctl"), "-D", data, "-w", "-o", options, "-l", str(folder / "log"), "start"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
    )
    try:
        yield PostgreSql(folder)
    finally:
        run(str(where / "pg_ctl"), "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
