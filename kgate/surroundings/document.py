"""What a source of facts tells: a JSON or YAML mapping of names to values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from attrs import frozen

from kgate.documents.reading import read_mapping
from kgate.documents.values import Unacceptable, fact_name
from kgate.errors import InvalidFileError, Mistake

MOST_BYTES = 256 * 1024
MOST_FACTS = 1000

Values = Mapping[str, str]
"""Each fact's value as JSON with sorted keys, by its name."""


@frozen
class Unreadable:
    """Why a document tells nothing: the rest of a sentence that begins with its source."""

    text: str


def told(raw: bytes, names: Iterable[str] = ()) -> Values | Unreadable:
    """The facts in ``raw``. With ``names`` no other may be told: a source speaks for its own facts."""
    if len(raw) > MOST_BYTES:
        return Unreadable(f"tells more than {MOST_BYTES // 1024} KiB")
    mistakes: list[Mistake] = []
    try:
        found = read_mapping(raw.decode("utf-8"), "facts", mistakes)
    except UnicodeDecodeError:
        return Unreadable("tells something that is not UTF-8 text")
    except InvalidFileError as error:
        mistakes = list(error.mistakes)
        found = None
    if mistakes or found is None:
        first = mistakes[0]
        return Unreadable(f"tells something that is no mapping of facts: line {first.line}: {first.text}")
    if len(found) > MOST_FACTS:
        return Unreadable(f"tells more than {MOST_FACTS} facts")
    for name in found:
        try:
            fact_name(name)
        except Unacceptable as error:
            return Unreadable(f"tells {error.text} ({error.hint})")
    wanted = frozenset(names)
    foreign = sorted(set(found) - wanted) if wanted else []
    if foreign:
        return Unreadable(f"tells {foreign[0]}, which is not among its names")
    return {name: json.dumps(value, sort_keys=True, ensure_ascii=False) for name, value in found.items()}
