"""What a rule is, as it is written: frozen values that refuse to exist where they make no sense.

An entry asks for one kind of request: ``resources`` (with ``verbs``), ``paths`` (with ``verbs``) or ``actions``. A key that could restrict nothing in
its entry is a mistake: whoever wrote it believed that it did something.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, NewType

from attrs import frozen
from cattrs import override

from kgate.documents.globs import Words, words
from kgate.documents.structuring import nearest
from kgate.documents.values import Duration, Size, Unacceptable, accept
from kgate.model import RECORDED, Limits, Operation, Recording
from kgate.policy.conditions import Conditions, When
from kgate.policy.details import Argv, Commands, Containers, Detail, Ports, SystemNames
from kgate.policy.offers import Granted, Offer
from kgate.policy.parties import As, LabelWords, RuleClusters, Who
from kgate.policy.places import OwnPlaces, Places
from kgate.policy.resources import CHANNELS, Resources
from kgate.policy.selectors import Selected
from kgate.policy.templates import SYSTEM

RuleName = NewType("RuleName", str)
Verbs = NewType("Verbs", Words)
Actions = NewType("Actions", Words)
Paths = NewType("Paths", Words)
PortSpan = NewType("PortSpan", tuple[int, int])

VERBS = frozenset({"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"})
PATH_VERBS = frozenset({"get", "head", "post", "put", "patch", "delete", "options"})
ACTIONS = frozenset(each.value for each in Operation)
_CONCERNED = {
    "containers": frozenset({"exec", "attach", "cp", "logs"}),
    "commands": frozenset({"exec", "cp"}),
    "ports": frozenset({"port-forward", "proxy"}),
}


_SELECTORS = ("label_selector", "field_selector")


class Kind(Enum):
    """What an entry's requests are."""

    RESOURCES = "resources"
    PATHS = "paths"
    ACTIONS = "actions"


@frozen
class Entry:
    """One line under ``allow`` or ``deny``: all keys must hold."""

    verbs: Verbs | None = None
    resources: Resources | None = None
    paths: Paths | None = None
    actions: Actions | None = None
    namespaces: Places | None = None
    names: Words | None = None
    containers: Words | None = None
    commands: tuple[Argv, ...] | None = None
    ports: tuple[PortSpan, ...] | None = None
    label_selector: Mapping[str, LabelWords] | None = None
    field_selector: Mapping[str, LabelWords] | None = None

    def __attrs_post_init__(self) -> None:
        idle = [key for key in (*_SELECTORS, "commands", "ports") if getattr(self, key) in ({}, ())]
        empty = [Unacceptable("asks nothing", "leave it out, or name something", (key,)) for key in idle]
        accept(*empty, *self._kind_faults(), *self._foreign_verbs(), *(self._idle(key) for key in _CONCERNED))

    @property
    def kind(self) -> Kind:
        """Which kind of request is meant."""
        return Kind.ACTIONS if self.actions is not None else Kind.PATHS if self.paths is not None else Kind.RESOURCES

    def details(self, denies: bool) -> tuple[Detail, ...]:
        """What is asked beyond the index."""
        found: list[Detail] = []
        if self.containers is not None:
            found.append(Containers(self.containers))
        if self.commands is not None:
            found.append(Commands(self.commands, cp_too=self.actions is None or "cp" not in self.actions.exact))
        if self.ports is not None:
            found.append(Ports(self.ports, denies))
        if self.namespaces is not None and self.namespaces.templates:
            found.append(OwnPlaces(self.namespaces))
        if self.label_selector or self.field_selector:
            found.append(Selected(tuple((self.label_selector or {}).items()), tuple((self.field_selector or {}).items())))
        if self.actions is not None and not denies and self.actions.matches(Operation.IMPERSONATE.value):
            found.append(self._system_names())
        return tuple(found)

    def _system_names(self) -> SystemNames:
        granted = self.names is not None and any(text.startswith(SYSTEM) for text in self.names.texts)
        return SystemNames(_only_system(self.names) if granted and self.names else None, bool(self.resources or self.namespaces))

    def _kind_faults(self) -> tuple[Unacceptable | None, ...]:
        if self.actions is None and self.paths is None and self.resources is None:
            return (Unacceptable("says neither resources, paths nor actions", "name what it is about"),)
        wanted = "" if self.kind is Kind.ACTIONS else "verbs"
        missing = Unacceptable('"verbs" is missing', 'write verbs: ["*"] for all of them') if wanted and self.verbs is None else None
        surplus = [
            Unacceptable(f'"{key}" does not go with {self.kind.value}', "give it an entry of its own", (key,)) for key in self._surplus()
        ]
        return missing, *surplus

    def _foreign_verbs(self) -> list[Unacceptable]:
        """``post`` is a verb of paths, ``create`` one of resources."""
        known = PATH_VERBS if self.kind is Kind.PATHS else VERBS
        return unknown_words(self.verbs, known, ("verbs",)) if self.verbs is not None else []

    def _surplus(self) -> list[str]:
        foreign = {
            Kind.ACTIONS: ("verbs", "paths", *_SELECTORS),
            Kind.PATHS: ("resources", "namespaces", "names", "containers", "commands", "ports", *_SELECTORS),
            Kind.RESOURCES: ("commands", "ports"),
        }
        return [key for key in foreign[self.kind] if getattr(self, key) is not None]

    def _idle(self, key: str) -> Unacceptable | None:
        """A key that concerns none of the entry's actions."""
        if getattr(self, key) is None or self.actions is None or any(map(self.actions.matches, _CONCERNED[key])):
            return None
        return Unacceptable(f"restricts none of these actions: {self.actions}", f"it concerns {', '.join(sorted(_CONCERNED[key]))}", (key,))


@frozen
class StreamLimits:
    """``limits`` as written."""

    duration: Duration | None = None
    idle: Duration | None = None
    bytes: Size | None = None


@frozen(eq=False)
class Rule:
    """One rule. Exactly one of ``allow`` and ``deny`` is there."""

    name: RuleName
    who: Who
    clusters: RuleClusters
    allow: tuple[Entry, ...] | None = None
    deny: tuple[Entry, ...] | None = None
    when: When | None = None
    unless: When | None = None
    as_: Annotated[As | None, override(rename="as")] = None
    limits: StreamLimits | None = None
    record: Recording = Recording.NONE
    request: Offer | None = None

    def __attrs_post_init__(self) -> None:
        accept(self._direction_fault(), *self._deny_faults(), *self._channel_faults(), *self._template_faults())

    @property
    def denies(self) -> bool:
        """Whether it takes away."""
        return self.deny is not None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Whichever there are."""
        return self.allow or self.deny or ()

    @property
    def conditions(self) -> Conditions:
        """``when``, ``unless`` and what ``request`` asks beside them."""
        granted = (Granted(self.name),) if self.request is not None else ()
        return Conditions((*(self.when.conditions if self.when else ()), *granted), self.unless.conditions if self.unless else ())

    @property
    def may_be_recorded(self) -> bool:
        """Whether it concerns anything of which a recording can be made."""
        actions = [entry.actions for entry in self.entries if entry.actions is not None]
        return any(each.matches(operation.value) for each in actions for operation in RECORDED)

    @property
    def stream_limits(self) -> Limits:
        """``limits`` in the model's terms."""
        return Limits(self.limits.duration, self.limits.idle, self.limits.bytes) if self.limits else Limits()

    def _direction_fault(self) -> Unacceptable | None:
        if (self.allow is None) == (self.deny is None):
            return Unacceptable("needs either allow or deny", "write two rules where both are meant")
        return None if self.entries else Unacceptable("allows or denies nothing", "list at least one entry")

    def _deny_faults(self) -> list[Unacceptable]:
        given = {
            "as": self.as_ is not None,
            "limits": self.limits is not None,
            "record": self.record is not Recording.NONE,
            "request": self.request is not None,
        }
        return [Unacceptable("does not go with deny", "take it out", (key,)) for key, there in given.items() if there and self.denies]

    def _channel_faults(self) -> list[Unacceptable]:
        """A channel under ``resources`` of an allow would grant nothing: exec and its like are granted under ``actions``."""
        return [
            Unacceptable(
                f'has "{word}", which is granted only under actions',
                f"write actions: [{CHANNELS[word.partition('/')[2]].value}] in an entry of its own",
                ("allow", number, "resources"),
            )
            for number, entry in enumerate(self.allow or ())
            if entry.resources is not None and entry.actions is None
            for word in entry.resources.channels
        ]

    def _template_faults(self) -> list[Unacceptable]:
        """Of somebody for whom a template is nothing, a deny would take nothing."""
        return [
            Unacceptable("has a template", "a deny must name what it takes", ("deny", number, "namespaces"))
            for number, entry in enumerate(self.deny or ())
            if entry.namespaces is not None and entry.namespaces.templates
        ]


def unknown_words(given: Words, known: frozenset[str], at: tuple[str | int, ...] = ()) -> list[Unacceptable]:
    """A fault for each plain word of ``given`` that is not ``known``."""
    unknown = sorted((given.exact | given.excluded_exact) - known)
    return [Unacceptable(f'has "{word}", which is not known', _hint(word, known), at) for word in unknown]


def _hint(word: str, known: frozenset[str]) -> str:
    if word in ACTIONS and known is not ACTIONS:
        return f"{word} is an action: write actions: [{word}] in an entry of its own"
    return nearest(word, known)


def _only_system(names: Words) -> Words:
    return words(text for text in names.texts if text.startswith((SYSTEM, "!")))
