"""What an entry asks beyond what the index tells: containers, commands and ports, and names of ``system:`` accounts.

Each is a small class with the same two questions as a condition, of an ``Action`` instead of a context; what a key does not concern it does not
restrict, so each first asks whether it is concerned. None is "not known": a request that names no container could mean any.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

from attrs import frozen

from kgate.documents.globs import Glob, Words
from kgate.documents.values import Unacceptable
from kgate.model import Action, Ground, Operation
from kgate.policy.question import Question
from kgate.policy.templates import SYSTEM
from kgate.policy.well_known import SPANNING_VERBS, spans_namespaces

_IN_CONTAINER = frozenset({Operation.EXEC, Operation.ATTACH, Operation.CP, Operation.LOGS})
_PORTS = re.compile(r"([0-9]{1,5})(-([0-9]{1,5}))?")


class Detail(Protocol):
    """One matcher of an action."""

    @property
    def ground(self) -> Ground:
        """Its word in the closed vocabulary."""

    def holds(self, asked: Question) -> bool | None:
        """Whether it holds; None where the request does not tell."""

    def miss(self, asked: Question) -> str:
        """Why it does not hold."""


@frozen
class Containers:
    """``containers``: of exec, attach, cp and logs."""

    words: Words
    ground = Ground.CONTAINER

    def holds(self, asked: Question) -> bool | None:
        """Whether the container is in the list; not known where none is named."""
        action = asked.action
        if action.operation not in _IN_CONTAINER or self.words.universal:
            return True
        return self.words.matches(action.container) if action.container else None

    def miss(self, asked: Question) -> str:
        """Which container."""
        action = asked.action
        return unlike("container", action.container, self.words) if action.container else "the request names no container"


@frozen
class Argv:
    """One command, argument by argument: never a joined string. ``rest``: any further arguments may follow."""

    arguments: tuple[Glob | str, ...]
    rest: bool

    def matches(self, command: tuple[str, ...]) -> bool:
        """Whether each argument fits."""
        if len(command) < len(self.arguments) or (len(command) > len(self.arguments) and not self.rest):
            return False
        pairs = zip(self.arguments, command, strict=False)
        return all(given == asked if isinstance(asked, str) else asked.matches(given) for asked, given in pairs)

    def __str__(self) -> str:
        words = [each if isinstance(each, str) else each.text for each in self.arguments]
        return " ".join([*words, *(["**"] if self.rest else [])])


def argv(texts: Iterable[str]) -> Argv:
    """``["psql", "**"]``. Raises Unacceptable where it is empty or ``**`` stands elsewhere than at its end."""
    texts = tuple(texts)
    rest = texts[-1:] == ("**",)
    arguments = texts[:-1] if rest else texts
    if not texts or any("**" in text for text in arguments):
        raise Unacceptable("is not a command", '"**" stands for any further arguments, as the last word only: ["psql", "**"]')
    return Argv(tuple(Glob(text) if "*" in text else text for text in arguments), rest)


@frozen
class Commands:
    """``commands``: of exec, and of cp where the entry does not name it (cp is an exec of tar)."""

    patterns: tuple[Argv, ...]
    cp_too: bool
    ground = Ground.COMMAND

    def holds(self, asked: Question) -> bool | None:
        """Whether one of the patterns fits the whole argv."""
        action = asked.action
        if action.operation is not Operation.EXEC and not (self.cp_too and action.operation is Operation.CP):
            return True
        return any(each.matches(action.command) for each in self.patterns) if action.command else None

    def miss(self, asked: Question) -> str:
        """Which command."""
        action = asked.action
        return f"command is {shown(' '.join(action.command)) or 'not named'}, not {listed(tuple(map(str, self.patterns)))}"


@frozen
class Ports:
    """``ports``: of port-forward and proxy; each port of the request must be in the list (for a deny: any). Of none each is, and none is any."""

    spans: tuple[tuple[int, int], ...]
    denies: bool
    ground = Ground.PORT

    def holds(self, asked: Question) -> bool | None:
        """Whether the ports fit. A port-forward whose ports come later, inside the tunnel, is asked about again for each of them."""
        action = asked.action
        if action.operation is Operation.PROXY:
            port = split_proxy_name(action.name)[1]
            return self._contains(int(port)) if port.isascii() and port.isdigit() else None
        if action.operation is not Operation.PORT_FORWARD:
            return True
        return (any if self.denies else all)(map(self._contains, action.ports))

    def miss(self, asked: Question) -> str:
        """Which port."""
        action = asked.action
        ports = ", ".join(map(str, action.ports)) or shown(split_proxy_name(action.name)[1]) or "not named"
        return f"port is {ports}, not {listed(tuple(map(_span_text, self.spans)))}"

    def _contains(self, port: int) -> bool:
        return any(low <= port <= high for low, high in self.spans)


def port_span(value: object) -> tuple[int, int]:
    """``8080`` or ``8000-8010``."""
    match = _PORTS.fullmatch(str(value))
    low, high = (int(match[1]), int(match[3] or match[1])) if match else (0, 0)
    if not 0 < low <= high < 65536:
        raise Unacceptable(f"{value} is not a port", "ports go from 1 to 65535; write 8080 or 8000-8010")
    return low, high


@frozen
class SystemNames:
    """Who is impersonated: ``*`` reaches neither Kubernetes' own names, such as ``system:masters``, nor service accounts.

    A word under ``names`` that begins with ``system:`` grants the former; naming ``serviceaccounts`` under ``resources``, or namespaces, the latter.
    """

    granted: Words | None
    accounts: bool
    ground = Ground.IMPERSONATION

    def holds(self, asked: Question) -> bool:
        """Whether the name is a common one, or granted as a system one."""
        action = asked.action
        if action.operation is not Operation.IMPERSONATE:
            return True
        if action.resource == "serviceaccounts":
            return self.accounts
        return not action.name.startswith(SYSTEM) or (self.granted is not None and self.granted.matches(action.name))

    def miss(self, asked: Question) -> str:
        """Which name."""
        action = asked.action
        return f"{shown(action.name)} is one of Kubernetes' own accounts, which the rule does not name"


def split_proxy_name(name: str) -> tuple[str, str]:
    """Name and port of ``[scheme:]name[:port]``, as a proxy subresource's name has them (Kubernetes' SplitSchemeNamePort)."""
    parts = name.split(":")
    if len(parts) == 3:
        return parts[1], parts[2]
    return (parts[0], parts[1]) if len(parts) == 2 else (name, "")


def shown(text: str) -> str:
    """A value of the request in a sentence: printable, and not long."""
    if text.isprintable() and len(text) <= 80:
        return text
    clean = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[:80])
    return clean + ("…" if len(text) > 80 else "")


def listed(texts: tuple[str, ...]) -> str:
    """A list of a rule in a sentence."""
    return ", ".join(texts[:6]) + (", …" if len(texts) > 6 else "")


def unlike(what: str, value: str, words: Words) -> str:
    """``namespace is payments, not team-*``."""
    if words.excludes(value):
        return f"{what} is {shown(value)}, which is excluded"
    return f"{what} is {shown(value)}, not {listed(words.texts)}"


def nothing_said(ground: Ground, action: Action, wanted: str) -> str:
    """Why a request that says no namespace, or no name, does not fit ``wanted``."""
    if ground is Ground.NAMESPACE and not spans_namespaces(action):
        return f"the request is for something outside of namespaces, not in {wanted}"
    if ground is Ground.NAME and action.verb not in SPANNING_VERBS:
        return f"the request names no object in its path, so it is not known to be {wanted}"
    return f"the request is for every {ground.value}, not {wanted}"


def _span_text(span: tuple[int, int]) -> str:
    return str(span[0]) if span[0] == span[1] else f"{span[0]}-{span[1]}"
