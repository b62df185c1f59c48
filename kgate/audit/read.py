"""A decision's record → what was decided on and how it came out: the way back from ``record``, so that a decision of the past can be asked again.

What no rule can ask of (the method, the API version, the query as it was written) is not in a record and not in what is rebuilt. Instants are cut to
microseconds. Nothing here trusts the file: a line that is not as ``record`` writes it is ``Unusable``, which says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

import orjson
from attrs import frozen

from kgate.audit.record import content_name
from kgate.documents.values import network
from kgate.model import Action, Cluster, Context, Device, Fact, Grant, Ground, Identity, Impersonation, Operation, Pairs

DECISIONS = frozenset({"request", "stream-start", "decision-change", "port"})
"""The events that can carry a decision."""

Fields = Mapping[str, Any]
Facts = dict[str, tuple[Fact, ...]]
"""By the name that records give them."""
_PARTS = ("api_group", "resource", "subresource", "namespace", "name", "container", "label_selector", "field_selector")
_NOTHING = ("",) * len(_PARTS)
MOST_NESTED = 100
"""Levels of a record. A fact, which is somebody else's document, has a third of that."""
_PERSON = ("uid", "acr", "robot")
_GROUNDS = {ground.value: ground for ground in Ground}


@frozen
class Past:
    """One decision of the past. ``revision`` is the policy's, empty where no policy was asked."""

    id: str
    event: str
    identity: Identity
    action: Action
    context: Context
    allowed: bool
    rule: str = ""
    ground: Ground | None = None
    """Of the first reason."""
    revision: str = ""
    asked_as: Impersonation | None = None
    """Whom ``kubectl --as`` asked for; the decision on the request itself is then theirs."""
    seen: tuple[str, tuple[str, ...]] | None = None
    """User and groups that the cluster saw."""

    @property
    def by_policy(self) -> bool:
        """Whether the policy alone can say this again: another authorizer, a lock or a credential that is gone is not its doing."""
        return bool(self.revision) and self.ground not in _OTHERS


_OTHERS = frozenset({Ground.AUTHORIZER, Ground.LOCK})


class Unusable(Enum):
    """Why a record cannot be asked again. The values go behind ``it``."""

    NO_DECISION = "is not a decision"
    CUT = "was too long to be kept whole"
    NO_FACTS = "names facts that are not in these files"
    MALFORMED = "is not as kgate writes it"


class Rebuilding:
    """Rebuilds decisions, the facts that were said before them in mind. ``read`` takes every record in the file's order."""

    def __init__(self) -> None:
        self.facts: Facts = {"": ()}
        self._people: dict[bytes, Identity] = {}
        self._clusters: dict[bytes, Cluster] = {}

    def read(self, fields: Fields) -> Past | Unusable:
        """The decision that the record is, if any."""
        if fields.get("event") == "facts":
            self._learn(fields)
        event, facts = fields.get("event"), fields.get("facts", "")
        if not isinstance(event, str) or event not in DECISIONS or "policy_revision" not in fields:
            return Unusable.NO_DECISION
        if fields.get("cut"):
            return Unusable.CUT
        if not isinstance(facts, str) or facts not in self.facts:
            return Unusable.NO_FACTS
        try:
            return self._past(fields)
        except (LookupError, TypeError, ValueError, AttributeError):  # whatever shape a forged line has
            return Unusable.MALFORMED

    def _past(self, fields: Fields) -> Past:
        reasons = fields.get("reasons", ())
        asked, seen = fields.get("as"), fields.get("impersonated")
        _texts(fields["id"], fields.get("rule", ""), fields["policy_revision"], *_of_person(asked), *_of_person(seen))
        return Past(
            fields["id"],
            fields["event"],
            self._identity(fields),
            _action(fields, self._cluster(fields)),
            _context(fields, self.facts[fields.get("facts", "")]),
            fields["allowed"] is True,
            fields.get("rule", ""),
            _GROUNDS.get(reasons[0].partition(":")[0]) if reasons else None,
            fields["policy_revision"],
            Impersonation(asked["user"], tuple(asked.get("groups", ())), asked.get("uid", ""), _extra(asked)) if asked else None,
            (seen["user"], tuple(seen["groups"])) if seen else None,
        )

    def _identity(self, fields: Fields) -> Identity:
        key = orjson.dumps([fields["user"], fields["groups"], fields["issuer"], *map(fields.get, ("session", "device", "identity"))])
        identity = self._people.get(key)
        if identity is None:
            identity = self._people[key] = _identity(fields, fields.get("identity", {}))
        return identity

    def _cluster(self, fields: Fields) -> Cluster:
        key = orjson.dumps([fields["cluster"], fields.get("cluster_labels")])
        cluster = self._clusters.get(key)
        if cluster is None:
            _texts(fields["cluster"])
            cluster = self._clusters[key] = Cluster(fields["cluster"], _pairs(fields.get("cluster_labels", {})))
        return cluster

    def _learn(self, fields: Fields) -> None:
        """Facts whose name is not their content are no facts."""
        try:
            name, values = fields["facts"], fields["values"]
            if content_name(values) == name:
                self.facts[name] = tuple(Fact(each, fact["value"], _instant(fact, "until")) for each, fact in values.items())
        except (LookupError, TypeError, ValueError, AttributeError):
            return


def parsed(line: bytes) -> dict[str, Any] | None:
    """What a line says; None where it is no record, as a power cut or a forger leaves them (``verify`` says which)."""
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(fields, dict) or (line.count(b"[") + line.count(b"{") > MOST_NESTED and _too_deep(fields)):
        return None
    return fields


def _too_deep(value: Any) -> bool:
    """Level by level, for whoever looks into it later goes a call deeper with each."""
    level = [value]
    for _ in range(MOST_NESTED):
        within = (inner for each in level for inner in (each.values() if isinstance(each, dict) else each))
        level = [inner for inner in within if isinstance(inner, dict | list)]
        if not level:
            return False
    return True


def instant(text: str) -> float:
    """RFC 3339 → Unix seconds."""
    return datetime.fromisoformat(text).timestamp()


def _texts(*texts: str) -> None:
    """Raises TypeError for what is no text; a join looks at all of them in a tenth of a microsecond."""
    "".join(texts)


def _of_person(fields: Fields | None) -> tuple[str, ...]:
    return (fields["user"], *fields.get("groups", ()), fields.get("uid", "")) if fields else ()


def _identity(fields: Fields, known: Fields) -> Identity:
    _texts(fields["user"], *fields["groups"], fields["issuer"], fields.get("session", ""), *map(known.get, _PERSON, _NOTHING))
    _texts(*(each for name in ("amr", "networks", "clusters") for each in known.get(name, ())))
    for each in known.get("networks", ()):
        network(each)
    return Identity(
        fields["user"],
        tuple(fields["groups"]),
        known.get("uid", ""),
        _extra(known),
        fields["issuer"],
        fields.get("session", ""),
        _instant(known, "expires"),
        _instant(known, "authenticated_at"),
        known.get("acr", ""),
        tuple(known.get("amr", ())),
        _device(fields["device"], known.get("device", {})) if "device" in fields else None,
        known.get("robot", ""),
        tuple(known.get("networks", ())),
        tuple(known.get("clusters", ())),
    )


def _device(name: str, state: Fields) -> Device:
    _texts(name)
    compliant = state.get("compliant")
    if compliant not in (None, True, False):
        raise TypeError(compliant)
    return Device(name, compliant, _pairs(state.get("posture", {})))


def _action(fields: Fields, cluster: Cluster) -> Action:
    group, resource, subresource, namespace, name, container, labels, selector = map(fields.get, _PARTS, _NOTHING)
    command, ports = tuple(fields.get("command", ())), tuple(fields.get("port", ()))
    _texts(fields["verb"], fields["path"], group, resource, subresource, namespace, name, container, labels, selector, *command)
    if not all(isinstance(port, int) for port in ports):
        raise TypeError(ports)
    operation = Operation(fields["action"]) if "action" in fields else None
    return Action(
        cluster,
        "",
        fields["verb"],
        "",
        fields["path"],
        group,
        "",
        resource,
        subresource,
        namespace,
        name,
        operation,
        container,
        command,
        ports,
        label_selector=labels,
        field_selector=selector,
        follows=fields["event"] != "request",
    )


def _context(fields: Fields, facts: tuple[Fact, ...]) -> Context:
    get = fields.get
    _texts(fields["source_ip"], get("user_agent", ""), get("country", ""))
    grants = tuple(map(_grant, get("grants", ())))
    return Context(
        instant(fields["time"]), fields["source_ip"], get("user_agent", ""), get("country", ""), get("asn"), facts, grants
    )  # fmt: skip


def _grant(fields: Fields) -> Grant:
    get = fields.get
    names = map(get, ("namespace", "reason", "revoked_by"), _NOTHING)
    _texts(*(fields[name] for name in ("id", "user", "rule", "cluster")), *names, *get("approvers", ()))
    return Grant(
        fields["id"],
        fields["user"],
        fields["rule"],
        fields["cluster"],
        get("namespace", ""),
        instant(fields["begins"]),
        instant(fields["until"]),
        get("reason", ""),
        tuple(get("approvers", ())),
        get("revoked_by", ""),
    )


def _instant(fields: Fields, name: str) -> float | None:
    return instant(fields[name]) if name in fields else None


def _extra(fields: Fields) -> tuple[tuple[str, tuple[str, ...]], ...]:
    extra = tuple((key, tuple(values)) for key, values in fields.get("extra", {}).items())
    _texts(*(each for _, values in extra for each in values))
    return extra


def _pairs(fields: Mapping[str, str]) -> Pairs:
    _texts(*fields.values())
    return tuple(sorted(fields.items()))
