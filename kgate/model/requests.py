"""What is asked, of which cluster, and what holds at that moment."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar, Final, TypedDict, Unpack

from attrs import frozen

from kgate.model.people import Pairs
from kgate.model.value import Parts, Value


class Cluster(Value):
    """A cluster as policy sees it."""

    PARTS: ClassVar = Parts("name", "labels")

    def __init__(
        self,
        name: str,
        labels: Pairs = (),
    ) -> None:
        self.name: Final = name
        self.labels: Final = labels


class Operation(Enum):
    """What a request does where RBAC's verb says too little. The values are the words of the policy language.

    The ones in ``GRANTED_BY_NAME`` open a channel, mint a credential or shut others out: ``resources: ["*"]`` does not grant them, only ``actions``
    does.
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
    LOCK = "lock"
    """At the gate itself: shutting people out (``kgate lock``)."""


GRANTED_BY_NAME = frozenset(
    {
        Operation.EXEC,
        Operation.ATTACH,
        Operation.PORT_FORWARD,
        Operation.CP,
        Operation.PROXY,
        Operation.IMPERSONATE,
        Operation.TOKEN,
        Operation.LOCK,
    }
)


RECORDED = frozenset({Operation.EXEC, Operation.ATTACH, Operation.CP})
"""What a rule's ``record`` concerns. cp is an exec of tar, and so is its recording: whoever may have that may have any file by it."""


class ActionParts(TypedDict, total=False):
    """What ``Action`` is made of."""

    cluster: Cluster
    method: str
    verb: str
    target: str
    path: str
    api_group: str
    api_version: str
    resource: str
    subresource: str
    namespace: str
    name: str
    operation: Operation | None
    container: str
    command: tuple[str, ...]
    """argv of exec, argument by argument."""
    ports: tuple[int, ...]
    """Known from the URL only for old WebSocket clients; otherwise inside the tunnel."""
    tty: bool
    stdin: bool
    field_selector: str
    label_selector: str
    follows: bool
    """Ends only when one side ends it: watch, logs -f, exec, attach, port-forward, proxy."""


class Action(Value):
    """What is asked, in Kubernetes' terms: parsed once, the only thing decided on and forwarded.

    For a resource request ``resource`` is not empty and ``path`` is the whole decoded path all the same. ``target`` is the exact raw
    request target (path below the cluster, and query) that was parsed: these bytes go upstream, nothing rebuilt from the parts.
    """

    PARTS: ClassVar = Parts(*ActionParts.__annotations__)

    def __init__(
        self,
        cluster: Cluster,
        method: str,
        verb: str,
        target: str,
        path: str,
        api_group: str = "",
        api_version: str = "",
        resource: str = "",
        subresource: str = "",
        namespace: str = "",
        name: str = "",
        operation: Operation | None = None,
        container: str = "",
        command: tuple[str, ...] = (),
        ports: tuple[int, ...] = (),
        tty: bool = False,
        stdin: bool = False,
        field_selector: str = "",
        label_selector: str = "",
        follows: bool = False,
    ) -> None:
        self.cluster: Final = cluster
        self.method: Final = method
        self.verb: Final = verb
        self.target: Final = target
        self.path: Final = path
        self.api_group: Final = api_group
        self.api_version: Final = api_version
        self.resource: Final = resource
        self.subresource: Final = subresource
        self.namespace: Final = namespace
        self.name: Final = name
        self.operation: Final = operation
        self.container: Final = container
        self.command: Final = command
        self.ports: Final = ports
        self.tty: Final = tty
        self.stdin: Final = stdin
        self.field_selector: Final = field_selector
        self.label_selector: Final = label_selector
        self.follows: Final = follows

    def but(self, **changes: Unpack[ActionParts]) -> Action:
        """The same in all but these."""
        return Action(**{**self.parts(), **changes})


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


class ContextParts(TypedDict, total=False):
    """What ``Context`` is made of."""

    now: float
    address: str
    """The client's IP address, after any PROXY protocol header of a configured balancer."""
    user_agent: str
    country: str
    """ISO 3166-1 alpha-2; empty is unknown."""
    asn: int | None
    facts: tuple[Fact, ...]
    """All facts that are known, sorted by name."""
    grants: tuple[Grant, ...]
    """Those of the caller that are in force, or were until lately: a reason can say what became of one."""


class Context(Value):
    """Where and when, and what else holds at that moment."""

    PARTS: ClassVar = Parts(*ContextParts.__annotations__)

    def __init__(
        self,
        now: float,
        address: str,
        user_agent: str = "",
        country: str = "",
        asn: int | None = None,
        facts: tuple[Fact, ...] = (),
        grants: tuple[Grant, ...] = (),
    ) -> None:
        self.now: Final = now
        self.address: Final = address
        self.user_agent: Final = user_agent
        self.country: Final = country
        self.asn: Final = asn
        self.facts: Final = facts
        self.grants: Final = grants

    def but(self, **changes: Unpack[ContextParts]) -> Context:
        """The same in all but these."""
        return Context(**{**self.parts(), **changes})
