"""The policy's file, or every policy file of a directory as one text."""

from __future__ import annotations

from pathlib import Path

from kgate.documents.reading import decode
from kgate.errors import InvalidFileError, Mistake
from kgate.policy.load import join
from kgate.settings.files import Read

SUFFIXES = frozenset({".yaml", ".yml"})


def policy_files(path: Path) -> tuple[Path, ...]:
    """The files that make up the policy at ``path``, in the order of their names. Hidden ones are not meant. Raises OSError."""
    if not path.is_dir():
        return (path,)
    return tuple(sorted(each for each in path.iterdir() if each.suffix in SUFFIXES and not each.name.startswith(".")))


def policy_text(path: Path, read: Read) -> str:
    """The policy's text. Raises OSError where a file cannot be read, InvalidFileError where one is no text, or a directory has none."""
    if not path.is_dir():
        return decode(read(path), str(path))
    files = policy_files(path)
    if not files:
        raise InvalidFileError([Mistake(str(path), 0, "the directory has no policy", "put files that end in .yaml there")])
    return join([(each.name, decode(read(each), str(each))) for each in files])
