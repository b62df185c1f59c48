"""The vocabulary: frozen values that every other part of kgate speaks in.

Nothing here does anything. A value that crosses from one folder to another is defined here or in the folder that makes it, never in
both. All are hashable, so that a decision can be cached under everything that went into it.

Times are Unix seconds (float, UTC) unless a name says otherwise; durations are seconds; sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum

from attrs import frozen

Pairs = tuple[tuple[str, str], ...]
"""A small mapping as a sorted tuple of pairs, so that it can be hashed."""


@frozen
class Pending:
    """No answer yet: something that is not here has to be fetched first.

    Whoever decides stays pure and gives this instead of waiting. ``wanted`` says what is missing, in a type of the asking folder; net/ fetches
    it, tells whoever wanted it (also that it could not be had), and then the whole question is asked again, on the revision of that moment.
    """

    wanted: Hashable


@frozen(cache_hash=True)
class Device:
    """A machine that proved who it is, apart from who sits at it."""

    name: str
    compliant: bool | None = None
    """What the device inventory says; None where nothing is known, which never allows."""
    posture: Pairs = ()


@frozen(cache_hash=True)
class Identity:
    """Who asks. ``groups`` keep the order in which their source gave them."""

    user: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    issuer: str = ""
    """Where the identity comes from: ``tokens``, ``client-certificate`` or an OIDC issuer's URL."""
    session: str = ""
    """The gate's own session, where the gate brokered the sign-in."""
    expires: float | None = None
    """The identity is worth nothing from this instant on."""
    authenticated_at: float | None = None
    acr: str = ""
    amr: tuple[str, ...] = ()
    device: Device | None = None
    robot: str = ""
    """The name of the static token, where a program asks."""
    networks: tuple[str, ...] = ()
    """Source networks (CIDR) this identity may come from; empty is any."""
    clusters: tuple[str, ...] = ()
    """Globs of the clusters this identity may reach; empty is any."""
    group_sources: Pairs = ()
    """Where each group came from (``token``, ``file``, ``scim``), for ``whoami``; empty where all came with the credential."""
    subject: str = ""
    """The issuer's own name for the person (OIDC ``sub``), by which its notices (logout, account disabled) name them."""
    issuer_session: str = ""
    """The issuer's own name for the session in which the person signed in (OIDC ``sid``)."""
    issued_at: float | None = None
    """When the issuer last vouched for this: a notice about something later outdates it."""


@frozen(cache_hash=True)
class Cluster:
    """A cluster as policy sees it."""

    name: str
    labels: Pairs = ()


class Operation(Enum):
    """What a request does where RBAC's verb says too little. The values are the words of the policy language.

    The ones in ``GRANTED_BY_NAME`` open a channel or mint a credential: ``resources: ["*"]`` does not grant them, only ``actions`` does.
    """

    EXEC = "exec"
    ATTACH = "attach"
    PORT_FORWARD = "port-forward"
    CP = "cp"
    LOGS = "logs"
    DEBUG = "debug"
    PROXY = "proxy"
    IMPERSONATE = "impersonate"
    TOKEN = "token"


GRANTED_BY_NAME = frozenset(
    {Operation.EXEC, Operation.ATTACH, Operation.PORT_FORWARD, Operation.CP, Operation.PROXY, Operation.IMPERSONATE, Operation.TOKEN}
)


@frozen(cache_hash=True)
class Action:
    """What is asked, in Kubernetes' terms: parsed once, the only thing decided on and forwarded.

    For a resource request ``resource`` is not empty and ``path`` is the whole decoded path all the same. ``target`` is the exact raw
    request target (path below the cluster, and query) that was parsed: these bytes go upstream, nothing rebuilt from the parts.
    """

    cluster: Cluster
    method: str
    verb: str
    target: str
    path: str
    api_group: str = ""
    api_version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    operation: Operation | None = None
    container: str = ""
    command: tuple[str, ...] = ()
    """argv of exec, argument by argument."""
    ports: tuple[int, ...] = ()
    """Known from the URL only for old WebSocket clients; otherwise inside the tunnel."""
    tty: bool = False
    stdin: bool = False
    field_selector: str = ""
    label_selector: str = ""
    follows: bool = False
    """Ends only when one side ends it: watch, logs -f, exec, attach, port-forward, proxy."""


@frozen(cache_hash=True)
class Fact:
    """A named value about the world: an incident is open, a freeze is on, somebody is on call."""

    name: str
    value: str
    """JSON, its keys sorted, so that it can be hashed and compared."""
    until: float | None = None
    """From this instant on it is unknown, and unknown never allows."""


@frozen(cache_hash=True)
class Grant:
    """What approvers gave somebody for a while, on top of the rules: the offer ``rule`` makes to those who ask (``request``)."""

    id: str
    user: str
    rule: str
    cluster: str
    namespace: str = ""
    """Empty is whatever the rule's own entries say."""
    begins: float = 0.0
    until: float = 0.0
    reason: str = ""
    approvers: tuple[str, ...] = ()
    revoked_by: str = ""
    """Who took it back before its end; empty is nobody."""


@frozen(cache_hash=True)
class Context:
    """Where and when, and what else holds at that moment."""

    now: float
    address: str
    """The client's IP address, after any PROXY protocol header of a configured balancer."""
    user_agent: str = ""
    country: str = ""
    """ISO 3166-1 alpha-2; empty is unknown."""
    asn: int | None = None
    facts: tuple[Fact, ...] = ()
    """All facts that are known, sorted by name."""
    grants: tuple[Grant, ...] = ()
    """Those of the caller that are in force, or were until lately: a reason can say what became of one."""


@frozen(cache_hash=True)
class Impersonation:
    """Who the cluster sees."""

    user: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


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


@frozen(cache_hash=True)
class Decision:
    """The answer, why, and until when it holds by itself."""

    allowed: bool
    revision: str
    rule: str = ""
    reasons: tuple[Reason, ...] = ()
    impersonate: Impersonation | None = None
    limits: Limits = Limits()
    record: Recording = Recording.NONE
    until: float | None = None
    """The next instant at which the answer could change with nothing else changing: a window's edge, an expiry. None is never."""


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
    DRAIN = "drain"
    CLUSTER_GONE = "cluster-gone"
    STALE = "stale"
    """The gate has not heard from its store for too long to know who was let out."""
    PROTOCOL = "protocol"


@frozen
class Cause:
    """Why the gate ended something, with the sentence that the person reads.

    ``text`` reads well after any prefix that kubectl puts before it, and is one line of printable characters.
    """

    ending: Ending
    text: str
    changed_at: float | None = None
    """Monotonic instant of the change that led here, for ``revocation_ms``."""
