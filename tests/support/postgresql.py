"""A throw-away PostgreSQL: a cluster in a folder of its own that listens on nothing but a socket there."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg


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
        processes = [master, *map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split())]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)


@contextlib.contextmanager
def throw_away(where: Path) -> Iterator[PostgreSql]:
    """One that is gone afterwards. ``where`` are its programs; it refuses to run as root, so root lends it another user."""
    root = os.geteuid() == 0
    folder = Path(tempfile.mkdtemp(prefix="kgate-pg-"))
    if root:
        shutil.chown(folder, "postgres", "postgres")
    become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if root else []

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
