"""Changing a file of static tokens as a careful person would: one entry is added or taken out, every other line stays as it was, comments included.

The new text is read again before anybody writes it: it must hold just the tokens that were meant. Where a file is written in a way that this does not
manage (``robots: [{…}, {…}]`` on one line, say), it is left alone, and the person is told what to do by hand.
"""

from __future__ import annotations

import json
from typing import Any

from kgate.documents.reading import Mapping, line_of, read_mapping
from kgate.errors import KgateError
from kgate.identity.robots import load_tokens
from kgate.identity.tokens import Tokens
from kgate.model import Identity


class UnmanageableFileError(KgateError):
    """The file is good, and written in a way that only a person can change."""


def entry_line(entry: dict[str, Any]) -> str:
    """The entry as one line of the file; JSON's notation of texts and lists is YAML's too."""
    return "- {" + ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in entry.items()) + "}"


def with_token(text: str, file: str, entry: dict[str, Any]) -> str:
    """The file with ``entry`` at its end. Raises KgateError where its name is taken, InvalidFileError, UnmanageableFileError."""
    before = load_tokens(text, file) if text.strip() else Tokens({})
    name = entry["name"]
    if any(each.robot == name for each in before.identities.values()):
        raise KgateError(f"{file} has a token named {name} already; choose another name, or kgate token revoke {name}")
    line = entry_line(entry)
    load_tokens(f"robots:\n{line}\n", "the new token")  # what is wrong with it by itself is said of it, not of how the file is written
    root = read_mapping(text, file, []) if text.strip() else Mapping(1)
    lines = text.splitlines()
    if not text.strip():
        lines = ["robots:", f"  {line}"]
    elif not root["robots"]:
        place = line_of(root, ("robots",)) - 1
        lines[place : place + 1] = [lines[place].replace("[]", "").rstrip(), f"  {line}"]
    else:
        first = line_of(root, ("robots", 0)) - 1
        indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
        lines.insert(_end(root, lines), f"{indent}{line}")
    made = "\n".join(lines) + "\n"
    after = _tokens_of(made, file)
    if after is not None and before.identities.items() <= after.items() and len(after) == len(before.identities) + 1:
        return made
    raise UnmanageableFileError(f"{file} is written in a way that is not changed here; add this to its robots yourself: {line}")


def without_token(text: str, file: str, name: str) -> str:
    """The file without the token ``name``. Raises KgateError where there is none of that name."""
    before = load_tokens(text, file)
    root = read_mapping(text, file, [])
    number = next((number for number, each in enumerate(root["robots"]) if each["name"] == name), None)
    if number is None:
        known = ", ".join(sorted(each["name"] for each in root["robots"])) or "none"
        raise KgateError(f"{file} has no token named {name}; it has: {known}")
    lines = text.splitlines()
    begin = line_of(root, ("robots", number)) - 1
    last = number == len(root["robots"]) - 1
    end = _end(root, lines) if last else line_of(root, ("robots", number + 1)) - 1
    while end > begin + 1 and lines[end - 1].lstrip()[:1] in ("", "#"):
        end -= 1  # what stands before the next entry belongs to it
    kept = lines[:begin] + lines[end:]
    place = line_of(root, ("robots",)) - 1
    if len(root["robots"]) == 1 and place < begin:
        kept[place] = kept[place].replace("robots:", "robots: []", 1)
    made = "\n".join(kept) + "\n"
    gone = {digest: identity for digest, identity in before.identities.items() if identity.robot != name}
    if _tokens_of(made, file) == gone:
        return made
    raise UnmanageableFileError(f"{file} is written in a way that is not changed here; take {name} out of its robots yourself")


def _tokens_of(text: str, file: str) -> dict[bytes, Identity] | None:
    """Those of a text that was made here; None where it cannot be read, for which the person can do nothing."""
    try:
        return dict(load_tokens(text, file).identities)
    except KgateError:
        return None


def _end(root: Mapping, lines: list[str]) -> int:
    """The index of the line after the list, which is all that the file has: its end, less what is empty or a comment there."""
    begins, end = root.lines["robots"], len(lines)
    while end > begins and lines[end - 1].lstrip()[:1] in ("", "#"):
        end -= 1
    return end
