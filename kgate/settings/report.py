"""What ``kgate check`` has to say."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from kgate.errors import InvalidFileError, Mistake
from kgate.settings.configuration import load_configuration
from kgate.settings.files import Read, read_file


@frozen
class Report:
    """Mistakes keep the gate from starting; warnings do not. ``summary`` is there where there are no mistakes."""

    mistakes: tuple[Mistake, ...]
    warnings: tuple[Mistake, ...] = ()
    summary: str = ""

    @property
    def good(self) -> bool:
        """Whether the gate would start."""
        return not self.mistakes


def check(path: Path, now: float, read: Read = read_file) -> Report:
    """All that can be said of the file and what it names without connecting to anything. Raises UsageError where it cannot be read."""
    try:
        found = load_configuration(path, now, read)
    except InvalidFileError as error:
        return Report(error.mistakes)
    settings, policy = found.settings, found.policy
    counts = [
        _count(len(settings.clusters), "cluster"),
        _count(len(policy.rules), "rule") + f" (revision {policy.revision})",
        _count(len(found.identity.tokens.identities) if found.identity.tokens else 0, "token"),
        *([_count(len(found.identity.issuers), "issuer")] if found.identity.issuers else []),
    ]
    return Report((), found.warnings, f"{', '.join(counts)}; listening on {', '.join(str(each.address) for each in settings.listen)}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
