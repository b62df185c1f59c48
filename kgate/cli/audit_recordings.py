"""What the chain says of recordings, held against the files: which are missing, and which are not what was recorded.

A stream's end names its recording, with size and SHA-256; after a crash the next start says the same of what it found. What the gate removed itself, when it
had been kept for long enough, is on record by its day, and not missed. A stream that lives is not proved yet.
"""

from __future__ import annotations

from pathlib import Path

from kgate.audit.read import parsed
from kgate.audit.recording.names import is_name
from kgate.cli.output import bar
from kgate.net.reel_file import hashed


class Recorded:
    """See the module."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[int, str]] = {}
        self._removed: set[str] = set()

    def __len__(self) -> int:
        """How many are to be there."""
        return len(self._due())

    def read(self, line: bytes) -> None:
        """A line of the chain."""
        if b'"recorded":{' not in line and b'"event":"recordings-removed"' not in line:
            return
        match parsed(line):
            case {"event": "recordings-removed", "recording": str(folder)}:
                self._removed.add(folder)
            case {"recording": str(name), "recorded": {"bytes": int(size), "sha256": str(sha256)}} if is_name(name):
                self._files[name] = size, sha256

    def flaws(self, directory: Path) -> list[str]:
        """Each that is not as it was, in words."""
        found = []
        due = self._due()
        with bar("recordings", sum(size for size, _ in due.values())) as progress:
            for name, (size, sha256) in due.items():
                flaw = _flaw(directory / name, size, sha256)
                progress.advance(progress.task_ids[0], size)
                if flaw:
                    found.append(f"{directory / name}: {flaw}")
        return found

    def _due(self) -> dict[str, tuple[int, str]]:
        return {name: proof for name, proof in self._files.items() if f"{name.partition('/')[0]}/" not in self._removed}


def _flaw(path: Path, size: int, sha256: str) -> str:
    try:
        found = hashed(path)
    except OSError as error:
        return f"the recording cannot be read: {error.strerror}"
    if found is None:
        return "the recording is missing"
    return "" if found == (size, sha256) else "the recording is not what was recorded"
