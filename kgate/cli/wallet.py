"""What this machine keeps of a sign-in: one file for each gate, mode 0600, in a folder of mode 0700 (security.md class 24).

A file is written whole, beside the old one, and put in its place in one step: a reader sees the old or the new, and a process that is killed leaves the old.
Nothing is followed: a link, somebody else's file, or one that others may read is refused, not repaired, because somebody put it there.

The refresh secret of the next use is on the disk *before* it is used (``following``), so that a refresh which was cut short is made again with the very same
pair and the gate knows its client (store/sessions). A lock keeps concurrent ``kgate credential``s at one refresh.

This module is imported each time that kubectl needs a token: it imports little.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from kgate.errors import KgateError

EARLY_SECONDS = 30.0
"""A token is not used any more so long before it ends."""
_CURRENT = "current"


@dataclass(frozen=True)
class Kept:
    """What is known of one gate."""

    gate: str
    user: str
    session: str
    session_expires: float
    """By the gate's clock."""
    secret: str = field(repr=False)
    following: str = field(default="", repr=False)
    """The secret that a refresh which has begun puts in the place of ``secret``; empty where none has."""
    token: str = field(default="", repr=False)
    token_expires: float = 0.0
    """By this machine's clock."""
    token_until: float = 0.0
    """The same on the clock that nobody sets, and that counts from the last start of the machine."""
    certificate_authority: str = ""
    """PEM of whom to trust for this gate; empty is the system's."""

    def is_fresh(self) -> bool:
        """Whether the token can be used: both clocks must say so, for either may have been set or begun anew."""
        left = self.token_until - steady()
        return bool(self.token) and self.token_expires - time.time() > EARLY_SECONDS and EARLY_SECONDS < left <= 3600

    def with_token(self, token: str, seconds: float) -> Kept:
        """The refresh is through: the following secret is the one in force."""
        return replace(
            self,
            secret=self.following or self.secret,
            following="",
            token=token,
            token_expires=time.time() + seconds,
            token_until=steady() + seconds,
        )


def steady() -> float:
    """Seconds since the machine started, its sleep included where that is known."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Wallet:
    """The folder. ``path`` is $KGATE_HOME, or kgate below $XDG_STATE_HOME, or ~/.local/state/kgate."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or _default_path()

    def prepare(self) -> None:
        """Raises KgateError where nothing could be kept here."""
        os.close(self._folder())

    def read(self, gate: str) -> Kept | None:
        """What is kept of ``gate``. Raises KgateError where its file is not to be trusted."""
        text = self._read(_name(gate) + ".json")
        if text is None:
            return None
        try:
            return Kept(**json.loads(text))
        except (ValueError, TypeError, RecursionError):
            raise self._damaged(f"{_name(gate)}.json", gate) from None

    def write(self, kept: Kept) -> None:
        """Keep it, durably, in one step. Whom to trust for the gate is kept apart: it outlives the sign-in."""
        if kept.certificate_authority and kept.certificate_authority != self.authority(kept.gate):
            self._write(_name(kept.gate) + ".pem", kept.certificate_authority)
        self._write(_name(kept.gate) + ".json", json.dumps(asdict(kept)))

    def authority(self, gate: str) -> str:
        """Whom to trust for ``gate`` (PEM), as it was said at the last sign-in; empty is the system's roots."""
        return self._read(_name(gate) + ".pem") or ""

    def scope(self, gate: str) -> str:
        """The clusters that the last sign-in was for, between spaces; empty is any. It outlives the sign-in: the next one by itself is for no others."""
        return (self._read(_name(gate) + ".clusters") or "").strip()

    def limit(self, gate: str, scope: str) -> None:
        """The last sign-in was for these."""
        if scope != self.scope(gate):
            self._write(_name(gate) + ".clusters", scope + "\n")

    def forget(self, gate: str) -> None:
        """Nothing is kept of ``gate`` any more."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path / f"{_name(gate)}.json")

    def current(self) -> str:
        """The gate that was signed in to last; empty where there was none."""
        return (self._read(_CURRENT) or "").strip()

    def choose(self, gate: str) -> None:
        """``gate`` is the current one."""
        self._write(_CURRENT, gate + "\n")

    @contextlib.contextmanager
    def lock(self, gate: str) -> Iterator[None]:
        """One process at a time changes what is kept of ``gate``."""
        folder = self._folder()
        try:
            lock = os.open(f"{_name(gate)}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
        except OSError as error:
            raise self._refused(f"{_name(gate)}.lock", error.strerror or "") from error
        finally:
            os.close(folder)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _folder(self) -> int:
        """The folder, open; made where it is missing. Nobody else may change what is in it."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            why = (error.strerror or "").lower()
            raise KgateError(f"{self.path} cannot be made: {why}; name a folder of your own with KGATE_HOME") from error
        try:
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise self._refused("", error.strerror or "") from error
        status = os.fstat(folder)
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            os.close(folder)
            raise self._refused("", "somebody else may change what is in it")
        return folder

    def _read(self, name: str) -> str | None:
        if not self.path.exists():
            return None
        folder = self._folder()
        try:
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refused(name, error.strerror or "") from error
        finally:
            os.close(folder)
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            os.close(file)
            raise self._refused(name, "it is not a file that only you can read")
        try:
            with open(file, encoding="utf-8") as opened:
                return opened.read(1024 * 1024)
        except UnicodeDecodeError:
            raise self._damaged(name, "URL") from None

    def _write(self, name: str, text: str) -> None:
        folder = self._folder()
        new = f".{name}.{secrets.token_hex(8)}"
        try:
            file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
            with open(file, "w", encoding="utf-8") as opened:
                opened.write(text)
                opened.flush()
                os.fsync(file)
            os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(new, dir_fd=folder)
            raise KgateError(f"{self.path / name} cannot be written: {error.strerror}; your sign-in is not kept") from error
        finally:
            os.close(folder)

    def _damaged(self, name: str, gate: str) -> KgateError:
        return KgateError(f"{self.path / name} is damaged; remove it and run: kgate login {gate}")

    def _refused(self, name: str, why: str) -> KgateError:
        return KgateError(f"{self.path / name} is not used: {why}; see who put it there, remove it, and sign in again")


def _default_path() -> Path:
    given = os.environ.get("KGATE_HOME")
    if given:
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "kgate"


def _name(gate: str) -> str:
    """A file's name for a gate's URL, which has a host and perhaps a port and nothing else."""
    return gate.removeprefix("https://").replace(":", "_").replace("[", "").replace("]", "").replace("/", "_")
