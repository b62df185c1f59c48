"""Policies that were in force, kept as files beside the audit: ``audit/policies/REVISION.yaml``, durable before the policy takes effect.

A record names its policy by revision only, which is the beginning of the text's SHA-256; whoever explains or replays a decision of the past checks that.
A beginning can be forged with much work, so the whole of it is in the chain, on the record of the start or reload that brought the policy into force:
``altered`` holds the files against that.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from kgate.errors import KgateError
from kgate.net.files import sync_directory
from kgate.policy.evaluate import Policy
from kgate.policy.load import fingerprint, revision_of

FOLDER = "policies"


def keep_policy(directory: Path, policy: Policy) -> None:
    """Keep the policy's text under the audit ``directory``. Raises OSError where it cannot be made durable."""
    path = _named(directory, policy.revision)
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}.new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as file:
            file.write(policy.source.encode())
            file.flush()
            os.fsync(fd)
        new.rename(path)
    finally:
        new.unlink(missing_ok=True)
    sync_directory(path.parent)


def kept_policy(directory: Path, revision: str) -> str:
    """The text of a policy that was in force. Raises KgateError where it is not there, or not what it was."""
    path = archived(directory, revision)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KgateError(f"{path}: the policy of that moment cannot be read; it is kept beside the audit, so look at a backup") from error
    if revision_of(text) != revision:
        raise KgateError(f"{path}: the text is not the one that was in force, for its SHA-256 is another; look at a backup")
    return text


def altered(directory: Path, told: Mapping[str, str]) -> list[str]:
    """Each kept policy that is not what the chain says of it (revision → SHA-256), in words."""
    found = []
    for revision, sha256 in told.items():
        path = archived(directory, revision)
        try:
            if fingerprint(path.read_text("utf-8")) != sha256:
                found.append(f"{path}: it is not the policy that was in force")
        except (OSError, UnicodeDecodeError):
            found.append(f"{path}: the policy that was in force is not there, or cannot be read")
    return found


def archived(directory: Path, revision: str) -> Path:
    """Where the policy of ``revision`` is kept. Of the chain of one worker that is beside all of them, one folder above. Raises KgateError for what is no
    revision: it comes from a record."""
    of_a_worker = directory.resolve().name.startswith("worker-") and not (directory / FOLDER).is_dir()
    return _named(directory.resolve().parent if of_a_worker else directory, revision)


def _named(directory: Path, revision: str) -> Path:
    if not revision.isalnum() or not revision.isascii():
        raise KgateError(f"{revision!r} is not the revision of a policy")
    return directory / FOLDER / f"{revision}.yaml"
