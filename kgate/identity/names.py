"""Which names may go further. A user or group name ends in ``Impersonate-*`` headers, audit lines and terminals.

Whatever could be read as two names, or as none, by one of them is refused and never repaired: control characters and the line separators that some
languages split on (CVE-2026-44546: ``\\r \\n \\x0b \\x0c \\x1c-\\x1e \\x85 U+2028``), invisible and bidirectional marks, lone surrogates, and
white space at an edge, which HTTP strips.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

DEVICE = "device:"
"""Begins the user name of a machine that nobody sits at: its own certificate gives it, and nothing else may."""
MAX_LENGTH = 1024
MAX_GROUPS = 1000
_REFUSED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Cn", "Co"})
"""Unicode categories: control, format, surrogate, line and paragraph separator, unassigned, private."""


def name_fault(name: str) -> str | None:
    """What is wrong with a user or group name, None where nothing is."""
    if not name:
        return "is empty"
    if len(name) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH} characters"
    if name != name.strip():
        return "has white space at an edge"
    if not name.isascii() or not name.isprintable():
        bad = next((each for each in name if unicodedata.category(each) in _REFUSED), None)
        return f"has the character U+{ord(bad):04X}, which cannot be shown" if bad is not None else None
    return None


def machine_fault(user: str) -> str | None:
    """What is wrong with a person's or program's name that is written like a machine's."""
    return "names a machine (device:…), which only its own certificate does" if user.startswith(DEVICE) else None


def identity_fault(user: str, groups: Iterable[str]) -> str | None:
    """What is wrong with a user and its groups, as a sentence."""
    groups = tuple(groups)
    fault = name_fault(user)
    if fault is not None:
        return f"the user name {fault}"
    if len(groups) > MAX_GROUPS:
        return f"there are more than {MAX_GROUPS} groups"
    fault = next(filter(None, map(name_fault, groups)), None)
    return f"the name of a group {fault}" if fault is not None else None
