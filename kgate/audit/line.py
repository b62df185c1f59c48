"""The two records that every request leaves, encoded from pieces that repeat: who asks, what for, by which rule.

``decision_line`` and ``end_line`` give exactly what ``encode`` makes of ``decision_record`` and ``end_record`` (tests/audit/test_lines.py holds them
against each other), at a quarter of the price: a piece is encoded once, and kept under the value that it says. Whatever is rare goes the plain way.

Somebody's next record says most of what their last one said, which is kept for them ready to be put in again (``Pieces``).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from orjson import dumps

from kgate.audit.record import (
    LONGEST,
    LONGEST_FIELD,
    THREE_DIGITS,
    Record,
    decision_record,
    end_record,
    safe,
    timestamp,
    undated,
    what,
    who,
    why,
)
from kgate.audit.text import encode
from kgate.memory import remember
from kgate.model import Action, Cause, Cluster, Context, Decision, Identity, Impersonation, Operation, Pairs

Kubectl = tuple[tuple[str, str], ...]

_KUBECTL_LONGEST: Final = 256
_NOTHING: Final = Action(Cluster(""), "", "", "", "")
_UNDECIDED: Final = Decision(False, "")


class Pieces:
    """What the last records of one caller were put together from, each piece beside the values that it says: right for as long as these are asked for.
    Values are kept after their piece: one that could not be made is then made, or fails, again, and no record goes without it. What is longer than a
    record has it is not kept: there may be thousands of callers, each with a head as large as the gate takes.

    Most of what a client says it says in the very objects of its request before, which costs no more than to look.
    """

    __slots__ = (
        "_action", "_address", "_cluster", "_decision", "_end", "_end_event", "_event", "_kind", "_kubectl", "_opening", "_rest", "_status",
        "_user_agent", "identity",
    )  # fmt: skip

    def __init__(self, identity: Identity) -> None:
        self.identity: Final = identity
        self._event = self._address = self._opening = ""
        self._action, self._decision = _NOTHING, _UNDECIDED
        self._kind = self._user_agent = self._rest = ""
        self._kubectl: Kubectl = ()
        self._end_event = self._cluster = self._end = ""
        self._status = -1

    def opening(self, gate: str, event: str, address: str) -> str:
        """What stands between the id and what for. There is one ``gate``."""
        if event != self._event or address != self._address:
            self._opening = f'",{_whence(gate, event)},{_who(self.identity)},"source_ip":"{address}",'
            self._event, self._address = event, address
        return self._opening

    def kind(self, action: Action) -> str:
        """What for, but for namespace, name and path, in which nearly every request differs."""
        last = self._action
        if (
            action.cluster is not last.cluster
            or action.operation is not last.operation
            or action.resource != last.resource
            or action.verb != last.verb
            or action.subresource != last.subresource
            or action.api_group != last.api_group
        ):
            cluster = action.cluster
            kind = _kind(cluster.name, cluster.labels, action.verb, action.operation, action.api_group, action.resource, action.subresource)
            if len(action.target) > LONGEST_FIELD:
                return kind
            self._kind, self._action = kind, action
        return self._kind

    def rest(self, user_agent: str, kubectl: Kubectl, decision: Decision) -> str:
        """What stands behind the path."""
        if decision is not self._decision or user_agent != self._user_agent or not (kubectl is self._kubectl or kubectl == self._kubectl):
            agent, said = safe(user_agent, LONGEST["user_agent"]), _cut(kubectl)
            rest = f"{_agent(agent)}{_kubectl(said)},{_why(undated(decision))}"
            if agent != user_agent or said != kubectl:
                return rest
            self._rest = rest
            self._decision, self._user_agent, self._kubectl = decision, user_agent, kubectl
        return self._rest

    def end(self, gate: str, event: str, cluster: str, status: int) -> str:
        """What of an end stands between its id and how long it took."""
        if status != self._status or cluster != self._cluster or event != self._end_event:
            self._end = f'",{_whence(gate, event)},{_whose(cluster, self.identity.user)},"status":{status},"duration_ms":'
            self._status, self._cluster, self._end_event = status, cluster, event
        return self._end


_KNOWN: Final[dict[Identity, Pieces]] = {}


def pieces_of(identity: Identity) -> Pieces:
    """Those of the caller's records before, if they are still known."""
    pieces = _KNOWN.get(identity)
    return pieces if pieces is not None else remember(_KNOWN, identity, Pieces(identity))


def decision_line(
    event: str,
    id_: str,
    gate: str,
    pieces: Pieces,
    action: Action,
    context: Context,
    decision: Decision,
    kubectl: Kubectl = (),
    asked_as: Impersonation | None = None,
) -> str:
    """The inside of a decision's record, without braces; ``pieces`` says on whom. ``kubectl`` is what the client says of itself, not yet cut."""
    if (
        context.country
        or context.asn is not None
        or context.facts
        or context.grants
        or asked_as is not None
        or len(context.user_agent) > LONGEST["user_agent"]
    ):
        record = decision_record(event, id_, gate, pieces.identity, action, context, decision, kubectl_record(kubectl), asked_as)
        return encode(record).decode()
    opening = pieces.opening(gate, event, context.address)
    rest = pieces.rest(context.user_agent, kubectl, decision)
    return f'"time":"{timestamp(context.now)}","id":"{id_}{opening}{_what(action, pieces)}{rest}'


def end_line(
    event: str,
    id_: str,
    gate: str,
    now: float,
    cluster: str,
    pieces: Pieces,
    status: int,
    duration: float,
    bytes_in: int,
    bytes_out: int,
    cause: Cause | None = None,
    revocation: float | None = None,
) -> str:
    """The inside of an end's record, without braces. ``duration`` and ``revocation`` are seconds."""
    if cause is not None or revocation is not None:
        record = end_record(event, id_, gate, now, cluster, pieces.identity.user, status, duration, bytes_in, bytes_out, cause, revocation)
        return encode(record).decode()
    middle = pieces.end(gate, event, cluster, status)
    took, came, went = _thousandths(duration * 1000), _number(bytes_in), _number(bytes_out)
    return f'"time":"{timestamp(now)}","id":"{id_}{middle}{took},"bytes_in":{came},"bytes_out":{went}'


def kubectl_record(kubectl: Kubectl) -> Record | None:
    """As a record has it."""
    return dict(_cut(kubectl)) or None


def _cut(kubectl: Kubectl) -> Kubectl:
    return tuple([(name, safe(value, _KUBECTL_LONGEST)) for name, value in kubectl])


# --- numbers, which Python writes by way of a format


_FRACTIONS: Final = [three.rstrip("0") or "0" for three in THREE_DIGITS]
_NUMBERS: Final = [str(number) for number in range(1000)]


def _number(number: int) -> str:
    if 0 <= number < 1000:
        return _NUMBERS[number]
    if 1000 <= number < 1_000_000:
        return _NUMBERS[number // 1000] + THREE_DIGITS[number % 1000]
    return str(number)


def _thousandths(value: float) -> str:
    """``round(value, 3)``. Multiplied, a number of this size is off by less than a millionth: only beside the middle between two can that matter."""
    scaled = value * 1000.0
    if not 0.0 <= scaled < 1e9:
        return str(round(value, 3))
    whole = int(scaled)
    beyond = scaled - whole
    if 0.499 < beyond < 0.501:
        return str(round(value, 3))
    if beyond > 0.5:
        whole += 1
    return f"{_number(whole // 1000)}.{_FRACTIONS[whole % 1000]}"


# --- the pieces; each is as bounded as the plain record's own


@lru_cache(maxsize=64)
def _whence(gate: str, event: str) -> str:
    return encode({"gate": gate, "event": event}).decode()


@lru_cache(maxsize=4096)
def _who(identity: Identity) -> str:
    return encode(dict(who(identity))).decode()


def _what(action: Action, pieces: Pieces) -> str:
    """Only namespace, name and path differ from request to request; what else is seldom there goes the plain way."""
    namespace, name, path = action.namespace, action.name, action.path
    seldom = action.container or action.label_selector or action.field_selector or action.command or action.ports
    kind_of = len(action.api_group) + len(action.resource) + len(action.subresource)
    if seldom or kind_of > LONGEST_FIELD or not _needs_no_escape(f"{namespace}{name}{path}"):
        return encode(dict(what(action))).decode()
    kind = pieces.kind(action)
    if namespace:
        within = f'{kind},"namespace":"{namespace}'
        return f'{within}","name":"{name}","path":"{path}"' if name else f'{within}","path":"{path}"'
    return f'{kind},"name":"{name}","path":"{path}"' if name else f'{kind},"path":"{path}"'


def _needs_no_escape(text: str) -> bool:
    """Whether JSON has it as it stands, and a record whole: nothing in it grows, and DEL is the one thing that orjson leaves and a record does not."""
    return len(text) <= LONGEST_FIELD and text.isascii() and "\x7f" not in text and len(dumps(text)) == len(text) + 2


@lru_cache(maxsize=4096)
def _kind(cluster: str, labels: Pairs, verb: str, operation: Operation | None, api_group: str, resource: str, subresource: str) -> str:
    """What comes before namespace, name and path, by the very function that makes the record."""
    few = Action(Cluster(cluster, labels), "", verb, "", "", api_group, "", resource, subresource, operation=operation)
    return encode({name: value for name, value in what(few) if name != "path"}).decode()


@lru_cache(maxsize=4096)
def _why(decision: Decision) -> str:
    return encode(dict(why(decision))).decode()


@lru_cache(maxsize=4096)
def _whose(cluster: str, user: str) -> str:
    return encode({"cluster": cluster, "user": safe(user)}).decode()


@lru_cache(maxsize=1024)
def _agent(user_agent: str) -> str:
    return "," + encode({"user_agent": user_agent}).decode() if user_agent else ""


@lru_cache(maxsize=1024)
def _kubectl(kubectl: Kubectl) -> str:
    return "," + encode({"kubectl": dict(kubectl)}).decode() if kubectl else ""
