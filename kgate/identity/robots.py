"""The file of static tokens: robots' names and SHA-256 digests, never the tokens themselves.

    robots:
      - {name: ci, sha256: <64 hex digits>, user: ci-bot, groups: [ci], expires: 2027-01-01T00:00:00Z}

A token has 256 random bits or it has no business here, so one unsalted SHA-256 is enough.
"""

from __future__ import annotations

import re
from typing import NewType

from attrs import frozen

from kgate.documents.globs import Words
from kgate.documents.reading import line_of, read_mapping
from kgate.documents.structuring import strict_converter, structure_list, unknown_keys, written
from kgate.documents.values import Instant, Network, Unacceptable, accept
from kgate.errors import InvalidFileError, Mistake
from kgate.identity.names import name_fault
from kgate.identity.tokens import Tokens
from kgate.model import Identity

ISSUER = "tokens"
Name = NewType("Name", str)
Digest = NewType("Digest", str)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@frozen
class Robot:
    """One line of the file."""

    name: Name
    sha256: Digest
    user: Name
    groups: tuple[Name, ...] = ()
    expires: Instant | None = None
    networks: tuple[Network, ...] = ()
    clusters: Words | None = None

    def __attrs_post_init__(self) -> None:
        twice = {group for group in self.groups if self.groups.count(group) > 1}
        accept(Unacceptable(f'has "{min(twice)}" twice', "keep one", ("groups",)) if twice else None)

    @property
    def identity(self) -> Identity:
        """Who presents the token."""
        return Identity(
            self.user,
            self.groups,
            issuer=ISSUER,
            expires=self.expires,
            robot=self.name,
            networks=tuple(map(str, self.networks)),
            clusters=self.clusters.texts if self.clusters is not None else (),
        )


def load_tokens(text: str, file: str) -> Tokens:
    """The tokens that ``text`` lists. Raises InvalidFileError with every mistake."""
    mistakes: list[Mistake] = []
    root = read_mapping(text, file, mistakes)
    mistakes += unknown_keys(root, ("robots",), file)
    robots = structure_list(_CONVERTER, root, "robots", Robot, file, mistakes, unique=("name", "sha256"))
    if mistakes:
        raise InvalidFileError(sorted(mistakes, key=lambda mistake: mistake.line))
    unlimited = [
        Mistake(file, line_of(root, ("robots", number)), f"the token {robot.name} never expires", "give it an expires")
        for number, robot in enumerate(robots)
        if robot.expires is None
    ]
    return Tokens({bytes.fromhex(robot.sha256): robot.identity for robot in robots}, tuple(unlimited))


def person_name(text: str) -> Name:
    """A user's or group's name as a file writes it; raises Unacceptable."""
    fault = name_fault(text)
    if fault is not None:
        raise Unacceptable(fault, "write the name as clusters and people may see it")
    return Name(text)


def token_digest(text: str) -> Digest:
    """The digest of a token, as a file writes it; raises Unacceptable."""
    if not _SHA256.fullmatch(text):
        raise Unacceptable("is not a SHA-256 digest", "64 hex digits in lower case: printf %s TOKEN | sha256sum")
    return Digest(text)


_CONVERTER = strict_converter()
_CONVERTER.register_structure_hook_func(lambda kind: kind is Name, written(person_name))
_CONVERTER.register_structure_hook_func(lambda kind: kind is Digest, written(token_digest))
