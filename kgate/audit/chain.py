"""The hash chain: each line names the hash of the one before it, and its own.

A line is the record's JSON with ``prev`` as its last field, hashed as it stands, and then ``hash`` put behind it. Whoever changes, drops, inserts or
moves a line breaks every hash from there on. A chain that was cut at its end still verifies: only somebody who knows a later hash (an export, a
backup, the ``/metrics`` page of that time) can see that, which is why the head is worth writing down elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from hashlib import sha256
from typing import Any, Final, NamedTuple

import orjson

from kgate.audit.text import encode

GENESIS: Final = "0" * 64
_HASH: Final = b',"hash":"'
_TAIL: Final = len(_HASH) + 64 + len(b'"}\n')


class Chain:
    """The head of a chain being written. Setting ``head`` back undoes what was sealed since and never written."""

    def __init__(self, head: str = GENESIS) -> None:
        self.head = head

    def seal(self, record: Mapping[str, object] | str) -> bytes:
        """The record's line, with its line end. A string is a record that is encoded already, without its braces."""
        text = record if isinstance(record, str) else encode(record).decode()
        body = f'{{{text}{"," if text else ""}"prev":"{self.head}"}}'.encode()
        self.head = sha256(body).hexdigest()
        return b"".join((body[:-1], _HASH, self.head.encode(), b'"}\n'))


class Flaw(Enum):
    """What is wrong with a line."""

    NOT_A_RECORD = "it is not a sealed record"
    CHANGED = "it was changed after it was written"
    MISPLACED = "the line before it is not the one that stood there"


class Broken(NamedTuple):
    """The first line (from 1) at which the chain does not hold."""

    line: int
    flaw: Flaw


class Verified(NamedTuple):
    """The chain holds over so many lines, from ``first`` (what the first line names as before it) to ``head``."""

    lines: int
    first: str
    head: str


def sealed_hash(line: bytes) -> str | None:
    """The hash that a line claims; None where it is not a sealed line."""
    tail = line[-_TAIL:]
    if not tail.startswith(_HASH) or not tail.endswith(b'"}\n'):
        return None
    return tail[len(_HASH) : -3].decode("ascii", "replace")


def verify(lines: Iterable[bytes], head: str | None = None) -> Verified | Broken:
    """Whether ``lines`` (each with its line end) are one chain; with ``head`` also whether they follow the line of that hash."""
    first = None
    count = 0
    for count, line in enumerate(lines, 1):
        claimed = sealed_hash(line)
        if claimed is None:
            return Broken(count, Flaw.NOT_A_RECORD)
        body = line[:-_TAIL] + b"}"
        if sha256(body).hexdigest() != claimed:
            return Broken(count, Flaw.CHANGED)
        previous = body[-66:-2].decode("ascii", "replace")
        if head is not None and previous != head:
            return Broken(count, Flaw.MISPLACED)
        first = first or previous
        head = claimed
    return Verified(count, first or GENESIS, head or GENESIS)


def open_records(lines: Iterable[bytes]) -> Iterator[str]:
    """The ids of requests and streams that were allowed and never ended. A line that is no record (a power cut can leave one in the middle of a file,
    where the disk wrote the end of a group before its beginning) says nothing of any."""
    opened: dict[str, None] = {}
    for line in lines:
        if b'"event":"request"' in line or b'"event":"stream-start"' in line:
            record = _record(line)
            if record.get("allowed"):
                opened[record["id"]] = None
        elif b'"event":"stream-heartbeat"' in line:
            opened[_record(line).get("id", "")] = None
        elif b'"event":"request-end"' in line or b'"event":"stream-end"' in line:
            opened.pop(_record(line).get("id", ""), None)
    yield from filter(None, opened)


def _record(line: bytes) -> dict[str, Any]:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return record if isinstance(record, dict) and isinstance(record.get("id"), str) else {}
