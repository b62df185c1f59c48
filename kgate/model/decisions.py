"""The answer, why, and how what was allowed ends."""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum
from typing import ClassVar, Final, TypedDict, Unpack

from attrs import frozen

from kgate.model.people import Impersonation
from kgate.model.value import Parts, Value


@frozen
class Pending:
    """No answer yet: something that is not here has to be fetched first.

    Whoever decides stays pure and gives this instead of waiting. ``wanted`` says what is missing, in a type of the asking folder; net/ fetches
    it, tells whoever wanted it (also that it could not be had), and then the whole question is asked again, on the revision of that moment.
    """

    wanted: Hashable


class Ground(Enum):
    """The closed vocabulary of reasons. Values appear in audit records, in ``because`` of policy tests and in metrics."""

    ALLOWED = "allowed"
    NO_RULE = "no-rule"
    WHO = "who"
    CLUSTER = "cluster"
    VERB = "verb"
    RESOURCE = "resource"
    NAMESPACE = "namespace"
    NAME = "name"
    ACTION = "action"
    CONTAINER = "container"
    COMMAND = "command"
    PORT = "port"
    PATH = "path"
    USER_AGENT = "user-agent"
    SELECTOR = "selector"
    TIME = "time"
    NETWORK = "network"
    COUNTRY = "country"
    DEVICE = "device"
    AUTHENTICATION = "authentication"
    FACT = "fact"
    EXPRESSION = "expression"
    DENIED = "denied-by-rule"
    LOCK = "lock"
    EXPIRED = "expired"
    LOGOUT = "logout"
    RECORDING = "recording"
    """Of a stream that lives: more of it is to be recorded than is."""
    IMPERSONATION = "impersonation"
    AUTHORIZER = "authorizer"
    GRANT = "grant"
    UNKNOWN_VERB = "unknown-verb"


@frozen
class Reason:
    """One ground for a decision, with the sentence part that a person reads after the rule's name."""

    ground: Ground
    rule: str = ""
    text: str = ""


class Recording(Enum):
    """How much of a tunnel is recorded."""

    NONE = "none"
    STDOUT = "stdout"
    FULL = "full"


@frozen
class Limits:
    """How long and how much a stream may be; None is no limit."""

    duration: float | None = None
    idle: float | None = None
    bytes: int | None = None
    duration_by: str = ""
    """By which rule; empty is the decision's own. A port-forward has limits of its ports' rules too."""
    idle_by: str = ""
    bytes_by: str = ""


UNLIMITED = Limits()


class DecisionParts(TypedDict, total=False):
    """What ``Decision`` is made of."""

    allowed: bool
    revision: str
    rule: str
    reasons: tuple[Reason, ...]
    impersonate: Impersonation | None
    limits: Limits
    record: Recording
    until: float | None
    """The next instant at which the answer could change with nothing else changing: a window's edge, an expiry. None is never."""


class Decision(Value):
    """The answer, why, and until when it holds by itself."""

    PARTS: ClassVar = Parts(*DecisionParts.__annotations__)

    def __init__(
        self,
        allowed: bool,
        revision: str,
        rule: str = "",
        reasons: tuple[Reason, ...] = (),
        impersonate: Impersonation | None = None,
        limits: Limits = UNLIMITED,
        record: Recording = Recording.NONE,
        until: float | None = None,
    ) -> None:
        self.allowed: Final = allowed
        self.revision: Final = revision
        self.rule: Final = rule
        self.reasons: Final = reasons
        self.impersonate: Final = impersonate
        self.limits: Final = limits
        self.record: Final = record
        self.until: Final = until

    def but(self, **changes: Unpack[DecisionParts]) -> Decision:
        """The same in all but these."""
        return Decision(**{**self.parts(), **changes})


class Ending(Enum):
    """The closed list of why a live stream ends before its own end. Values are ``closed_by`` of the audit record."""

    POLICY = "policy"
    LOCK = "lock"
    EXPIRED = "expired"
    LOGOUT = "logout"
    TIME = "time"
    GRANT = "grant"
    FACT = "fact"
    DEVICE = "device"
    NETWORK = "network"
    AUTHENTICATION = "authentication"
    EXPRESSION = "expression"
    LIMIT = "limit"
    CUT = "cut"
    """By somebody who may, or by its holder: ``kgate sessions cut``."""
    DRAIN = "drain"
    CLUSTER_GONE = "cluster-gone"
    STALE = "stale"
    """The gate has not heard from its store for too long to know who was let out."""
    PROTOCOL = "protocol"
    RECORDING = "recording"
    """What passes could not be recorded, or the recording is as long as it may be."""


@frozen
class Cause:
    """Why the gate ended something, with the sentence that the person reads.

    ``text`` reads well after any prefix that kubectl puts before it, and is one line of printable characters.
    """

    ending: Ending
    text: str
    changed_at: float | None = None
    """Monotonic instant of the change that led here, for ``revocation_ms``."""
