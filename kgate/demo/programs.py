"""All commands of a container by name, and the files that a fresh container has."""

from __future__ import annotations

from collections.abc import Callable

from kgate.demo import archive, commands_files, commands_system, commands_text
from kgate.demo.files import Device, FileSystem
from kgate.demo.runs import Program
from kgate.demo.shell import sh

PROGRAMS: dict[str, Program] = {
    "sh": sh,
    "ash": sh,
    "bash": sh,
    **commands_text.PROGRAMS,
    **commands_files.PROGRAMS,
    **commands_system.PROGRAMS,
    **archive.PROGRAMS,
}

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TERM": "xterm"}


def fresh_files(now: Callable[[], float], hostname: str, address: str) -> FileSystem:
    """The file system of a container that just started."""
    files = FileSystem(now)
    for path in ("/bin", "/dev", "/etc", "/proc", "/root", "/tmp", "/usr/bin", "/var/log", "/home"):
        files.make_directory(path, parents=True)
    files.put("/dev/null", Device(endless=False))
    files.put("/dev/zero", Device(endless=True))
    for name in PROGRAMS:
        files.write(f"/bin/{name}", b"", 0o755)
    files.write("/etc/hostname", f"{hostname}\n".encode())
    files.write("/etc/hosts", f"127.0.0.1\tlocalhost\n{address}\t{hostname}\n".encode())
    files.write("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    files.write("/etc/os-release", b'NAME="kgate demo"\nID=kgate-demo\nPRETTY_NAME="kgate demo container (simulated)"\n')
    return files
