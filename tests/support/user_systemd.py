"""A systemd of a test's own, for units as they are: a user's manager, with namespaces of mounts and processes of its own, so that this machine need not be
run by systemd, and nothing is left of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen
from lab.waiting import TookTooLong, eventually
from running import children

SYSTEMD = Path("/usr/lib/systemd/systemd")
BEGIN = f"""
mount --make-rprivate /
mount -t tmpfs none /run
mkdir -p /run/systemd/system
{SYSTEMD} --user --unit=basic.target
exit
"""
"""That folder is how systemd knows that a machine is run by systemd; without, or as process 1, a user's manager does not start."""
CONFINED = (
    "[Service]\nType=oneshot\nExecStart=/bin/true\nProtectSystem=strict\nPrivateTmp=yes\nProcSubset=pid\nSystemCallFilter=@system-service\n"
)
"""What every machine can do on which units can be confined at all."""


@frozen
class Systemd:
    """``folder`` has its units and its socket; ``pid`` is a process in its namespaces."""

    folder: Path
    pid: int

    def write(self, name: str, unit: str) -> None:
        """A unit, known from then on."""
        (self.folder / "units" / name).write_text(unit)
        self.ctl("daemon-reload")

    def ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``systemctl``, which it does not hear from another namespace of processes."""
        command = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "systemctl", "--user", *arguments]
        return subprocess.run(command, env=environment(self.folder), capture_output=True, text=True, timeout=60, check=False)

    def shown(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.ctl("show", "--value", "--property", name, unit).stdout.strip()


def environment(folder: Path) -> dict[str, str]:
    """Where its units and its socket are."""
    return {**os.environ, "XDG_RUNTIME_DIR": f"{folder}/run", "SYSTEMD_UNIT_PATH": f"{folder}/units", "HOME": str(folder)}


@contextmanager
def user_systemd(folder: Path) -> Iterator[Systemd | None]:
    """One that runs; None where none does, or units cannot be confined."""
    if os.geteuid() != 0 or not SYSTEMD.exists() or not all(map(shutil.which, ("systemctl", "unshare", "nsenter"))):
        yield None
        return
    for name in ("units", "run"):
        (folder / name).mkdir(mode=0o700)
    for name in ("basic", "exit", "shutdown"):
        (folder / f"units/{name}.target").write_text("[Unit]\nDefaultDependencies=no\n")
    (folder / "units/confined.service").write_text(CONFINED)
    command = ["unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child", "sh", "-c", BEGIN]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, env=environment(folder), stdout=log, stderr=log) as process:
        try:
            yield _answering(folder, process)
        finally:
            process.kill()


def _answering(folder: Path, process: subprocess.Popen[bytes]) -> Systemd | None:
    """Once it answers, and has confined a unit."""
    try:
        (inside,) = eventually("its first process", lambda: children(process.pid), 10)
        systemd = Systemd(folder, inside)
        eventually("systemd answers", lambda: systemd.ctl("show").returncode == 0, 10, 0.1)
    except TookTooLong:
        return None
    return systemd if systemd.ctl("start", "confined").returncode == 0 else None
