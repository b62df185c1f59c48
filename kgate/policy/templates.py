"""Templates: ``"team-{identity.user}"``, ``"{identity.groups:team-*}"`` in ``namespaces`` and ``as``.

A placeholder stands for what the caller's credential says; behind a colon stands a pattern with one star, and then the placeholder is what the star
stands for: of somebody in the groups ``team-shop`` and ``leads``, ``{identity.groups:team-*}`` is ``shop``. It is as many values as fit, or none.

What comes out is a name and never a pattern: somebody who is called ``*`` owns nothing by it. It is filtered by what it is used for. A namespace
must be a DNS label (RFC 1123). A name that a cluster sees must be printable and must not begin with ``system:``, whoever the parts came from,
because Kubernetes keeps that prefix for itself (security.md class 4).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import product

from attrs import field, frozen

from kgate.documents.values import Unacceptable, is_plain
from kgate.model import Identity

SYSTEM = "system:"
"""Kubernetes keeps this prefix of user and group names for itself."""
_SLOT = re.compile(r"\{(identity\.(?:user|groups|uid|robot)|device\.name)(?::([^{}*]*)\*([^{}*]*))?\}")
_BRACE = re.compile(r"[{}]")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_HINT = "write {identity.user}, {identity.groups:team-*}, {identity.uid}, {identity.robot} or {device.name}"


@frozen(cache_hash=True)
class Slot:
    """A placeholder: a value of the identity, or the part of it between ``before`` and ``after``."""

    word: str
    before: str = ""
    after: str = ""

    def values(self, identity: Identity) -> tuple[str, ...]:
        """What it stands for; nothing is empty."""
        whole = _WORDS[self.word](identity)
        cut = len(self.before), len(self.after)
        fit = (each for each in whole if each.startswith(self.before) and each.endswith(self.after) and len(each) > sum(cut))
        return tuple(each[cut[0] : len(each) - cut[1]] for each in fit)


_WORDS: dict[str, Callable[[Identity], tuple[str, ...]]] = {
    "identity.user": lambda identity: (identity.user,),
    "identity.groups": lambda identity: identity.groups,
    "identity.uid": lambda identity: (identity.uid,),
    "identity.robot": lambda identity: (identity.robot,),
    "device.name": lambda identity: (identity.device.name,) if identity.device is not None else (),
}


@frozen(cache_hash=True)
class Template:
    """A text with placeholders; most have none."""

    text: str
    parts: tuple[str | Slot, ...]
    plain: bool = field(init=False, eq=False, repr=False)
    """Whether it has no placeholder."""

    @plain.default
    def _plain(self) -> bool:
        return not any(isinstance(part, Slot) for part in self.parts)

    def expand(self, identity: Identity) -> tuple[str, ...]:
        """All that it stands for, each once, in the order of the identity's groups."""
        choices = [part.values(identity) if isinstance(part, Slot) else (part,) for part in self.parts]
        return tuple(dict.fromkeys("".join(each) for each in product(*choices)))


def template(text: str) -> Template:
    """The template that ``text`` writes. Raises Unacceptable for a brace that begins or ends no placeholder."""
    parts: list[str | Slot] = []
    position = 0
    for found in _SLOT.finditer(text):
        parts += [text[position : found.start()], Slot(found[1], found[2] or "", found[3] or "")]
        position = found.end()
    parts.append(text[position:])
    if any(_BRACE.search(part) for part in parts if isinstance(part, str)):
        raise Unacceptable(f'"{text}" has braces that are no placeholder', _HINT)
    if sum(isinstance(part, Slot) and part.word == "identity.groups" for part in parts) > 1:
        raise Unacceptable(f'"{text}" has two placeholders for groups', "one will do: each group gives a value")
    return Template(text, tuple(parts))


def seen(text: str) -> Template:
    """A name that a cluster sees. Raises Unacceptable where it cannot be one."""
    if not text or text != text.strip() or not is_plain(text):
        raise Unacceptable("is empty, or has control characters or white space at an edge", "clusters must read it as it stands")
    made = template(text)
    if text.startswith(SYSTEM) and not made.plain:
        raise Unacceptable(f'"{text}" makes names that begin with system:', "Kubernetes' own names must be written out")
    return made


@lru_cache(maxsize=4096)
def namespaces_of(made: Template, identity: Identity) -> frozenset[str]:
    """The namespaces that a template stands for."""
    return frozenset(each for each in made.expand(identity) if _LABEL.fullmatch(each))


def names_of(made: Template, identity: Identity) -> tuple[str, ...]:
    """The names that a template stands for and that a cluster may see."""
    if made.plain:
        return (made.text,)
    return tuple(each for each in made.expand(identity) if each == each.strip() and is_plain(each) and not each.startswith(SYSTEM))
