"""One reading of a configuration, as far as it got: what the file says, and what its sections find in the files that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field

from kgate.documents.reading import Mapping, decode, line_of
from kgate.documents.structuring import key_path
from kgate.errors import InvalidFileError, Mistake
from kgate.settings.certificates import Finding, authority_findings
from kgate.settings.files import FilesOf, Read, unreadable

T = TypeVar("T")
Place = tuple[str | int, ...]
"""The way to a value: keys, and numbers in lists."""
_LATER = b"read-later"
"""Stands for a token."""


@define
class Sections:
    """What could be read of the file: wrong sections are missing, and their mistakes are listed."""

    file: str
    root: Mapping
    mistakes: list[Mistake]
    values: dict[str, Any]

    def place(self, path: Place, text: str, hint: str = "") -> Mistake:
        """Something to say of what stands at ``path``."""
        return Mistake(self.file, line_of(self.root, path), f"{key_path(path)}: {text}" if path else text, hint)

    def fault(self, path: Place, text: str, hint: str = "") -> None:
        """Note a mistake at ``path``."""
        self.mistakes.append(self.place(path, text, hint))


@define
class Reading:
    """See the module. ``now`` (Unix seconds) is held against certificates; for a gate that is ``running`` one that expired is a warning."""

    sections: Sections
    read: Read
    now: float
    running: bool
    files_of: FilesOf
    warnings: list[Mistake] = field(factory=list)

    def document(self, place: Place, path: Path | None, load: Callable[[str, str], T]) -> T | None:
        """A file of another kind, its mistakes added to ours."""
        raw = self.bytes_of(place, path) if path is not None else None
        if raw is None:
            return None
        try:
            return load(decode(raw, str(path)), str(path))
        except InvalidFileError as error:
            self.sections.mistakes.extend(error.mistakes)
            return None

    def bytes_of(self, place: Place, path: Path) -> bytes | None:
        """A file's bytes, or None with the reason noted."""
        try:
            return self.read(path)
        except OSError as error:
            self.sections.fault(place, unreadable(path, error))
            return None

    def token(self, place: Place, path: Path) -> bytes | None:
        """As ``bytes_of``, of a token, which is read again as it is used: that its file does not answer now (a file system that hangs) is a warning, for a
        policy must not wait for it."""
        try:
            return self.read(path)
        except TimeoutError as error:
            self.warn(place, f"{unreadable(path, error)}; it is read again as it is used", "look at the file system that it is on")
            return _LATER
        except OSError as error:
            self.sections.fault(place, unreadable(path, error))
            return None

    def authority(self, place: Place, key: str, path: Path | None) -> bytes | None:
        """A bundle of authorities, and what is wrong with it; None where there is none to read."""
        pem = self.bytes_of((*place, key), path) if path is not None else None
        self.note(place, authority_findings(key, pem, self.now) if pem is not None else ())
        return pem

    def note(self, place: Place, findings: Iterable[Finding]) -> None:
        """Take over what was found out about certificates."""
        for each in self.judged(findings):
            (self.sections.fault if each.serious else self.warn)((*place, each.key), each.text, each.hint)

    def judged(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings as they count for this reading."""
        return [each._replace(serious=False) if self.running and each.expired else each for each in findings]

    def warn(self, place: Place, text: str, hint: str = "") -> None:
        """Note what works, and had better not stay so."""
        self.warnings.append(self.sections.place(place, text, hint))
