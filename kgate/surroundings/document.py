"""What a source of facts tells: a JSON or YAML mapping of names to values.

What is JSON is read as such: YAML has no pairs of surrogates, and ours no exponents, both of which programs write. JSON that a reader could take in more than
one way (a name twice, a number that is none) is read as YAML, which says what is wrong with it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping

from attrs import frozen

from kgate.documents.reading import MAX_DEPTH, read_mapping
from kgate.documents.values import Unacceptable, fact_name
from kgate.errors import InvalidFileError, Mistake

MOST_BYTES = 256 * 1024
MOST_FACTS = 1000
_LONGEST_NUMBER = 24

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
        text = raw.decode("utf-8")
        found: Mapping[str, object] | None = _json(text) or read_mapping(text, "facts", mistakes)
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
    return {name: _written(value) for name, value in found.items()}


def _written(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _json(text: str) -> Mapping[str, object] | None:
    """The mapping, where that is what it plainly is."""
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_int=_whole, parse_float=_finite, parse_constant=_finite)
        _written(found).encode()  # half of a pair of surrogates is no text
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and not _deeper(found, MAX_DEPTH) else None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError
    return made


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _whole(text: str) -> int | float:
    """What has no room in 64 bits is as inexact as JSON's numbers are elsewhere."""
    number = int(text) if len(text) < _LONGEST_NUMBER else None
    return number if number is not None and -(2**63) <= number < 2**63 else _finite(text)


def _deeper(value: object, levels: int) -> bool:
    within = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_deeper(each, levels - 1) for each in within)
