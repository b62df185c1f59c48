"""Policies that were in force, kept as files beside the audit: ``audit/policies/REVISION.yaml``, durable before the policy takes effect.

A record names its policy by revision only, which is the beginning of the text's SHA-256: so the file cannot be another than the one that decided, and
whoever explains or replays a decision of the past checks that.
"""

from __future__ import annotations

import os
from pathlib import Path

from kgate.errors import KgateError
from kgate.net.files import sync_directory
from kgate.policy.evaluate import Policy
from kgate.policy.load import revision_of

FOLDER = "policies"


def keep_policy(directory: Path, policy: Policy) -> None:
    """Keep the policy's text under the audit ``directory``. Raises OSError where it cannot be made durable."""
    path = archived(directory, policy.revision)
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


def archived(directory: Path, revision: str) -> Path:
    """Where the policy of ``revision`` is kept. Raises KgateError for what is no revision: it comes from a record."""
    if not revision.isalnum() or not revision.isascii():
        raise KgateError(f"{revision!r} is not the revision of a policy")
    return directory / FOLDER / f"{revision}.yaml"
