"""A person's kubeconfig: found, locked and written as kubectl does it, so that either leaves what the other put there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from kgate.cli.gate_client import Document
from kgate.errors import KgateError

WAITS = 40
WAIT_SECONDS = 0.05
"""kubectl has its lock for milliseconds, and gives up at once where it finds one."""


def kubeconfig_path() -> Path:
    """Where kubectl would write: the first file of $KUBECONFIG that exists, else its last one (kubectl's own rule), else ~/.kube/config."""
    named = [Path(each) for each in os.environ.get("KUBECONFIG", "").split(os.pathsep) if each]
    if not named:
        return Path.home() / ".kube" / "config"
    return next((each for each in named if each.exists()), named[-1])


@contextmanager
def locked(path: Path, sleep: Callable[[float], object] = time.sleep) -> Iterator[None]:
    """While nobody else changes the file: by kubectl's lock, a file beside it that is there (client-go, tools/clientcmd/loader.go)."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        taken = _take(lock, sleep)
    except OSError as error:
        raise _unwritten(path, error) from error
    if not taken:
        raise KgateError(f"{path} is being changed by another program; try again, or remove {lock} if there is none")
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _take(lock: Path, sleep: Callable[[float], object]) -> bool:
    for _ in range(WAITS):
        with suppress(FileExistsError):
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0))
            return True
        sleep(WAIT_SECONDS)
    return False


def merge_kubeconfig(old: Document, new: Document, path: Path) -> Document:
    """``new``'s clusters, contexts and users put into ``old``: what has the same name is replaced, the rest stays. Raises KgateError where ``old`` is none."""
    merged = {"apiVersion": "v1", "kind": "Config", **old}
    for section in ("clusters", "contexts", "users"):
        there = merged.get(section) or []
        if not isinstance(there, list) or not all(isinstance(each, dict) for each in there):
            raise KgateError(f"{path} is not a kubeconfig ({section} is no list); mend it, or name another file with KUBECONFIG")
        names = {each["name"] for each in new[section]}
        merged[section] = [each for each in there if each.get("name") not in names] + new[section]
    merged["current-context"] = merged.get("current-context") or new["current-context"]
    return merged


def read_kubeconfig(path: Path) -> Document:
    """What is there; empty where nothing is. Raises KgateError."""
    try:
        text = path.read_text(encoding="utf-8")
        found: Any = yaml.safe_load(text) or {}
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise KgateError(f"{path} cannot be read as a kubeconfig; mend it, or name another file with KUBECONFIG") from None
    if not isinstance(found, dict):
        raise KgateError(f"{path} is not a kubeconfig; mend it, or name another file with KUBECONFIG")
    return found


def write_kubeconfig(path: Path, text: str) -> None:
    """In one step, with the mode that it had (0600 where it is new), through a link if it is one: people keep their kubeconfig elsewhere."""
    target = Path(os.path.realpath(path))
    new = target.with_name(f".{target.name}.kgate-{os.getpid()}")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, target)
    except OSError as error:
        with suppress(OSError):
            new.unlink()
        raise _unwritten(path, error) from error


def _unwritten(path: Path, error: OSError) -> KgateError:
    return KgateError(f"{path} cannot be written: {error.strerror}; nothing was changed")
