"""The kinds that the demo cluster serves: group, version, names, verbs and subresources. Routing, discovery and OpenAPI read this table."""

from __future__ import annotations

from attrs import field, frozen

STORED = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@frozen
class Subresource:
    """A part of a resource with a path of its own. ``group``, ``version``, ``kind`` say what it carries."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


@frozen
class Kind:
    """One resource. ``plural`` is what paths say."""

    group: str
    version: str
    kind: str
    plural: str
    short: tuple[str, ...] = ()
    namespaced: bool = True
    verbs: tuple[str, ...] = STORED
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = field(default=())

    @property
    def api_version(self) -> str:
        """``v1`` or ``apps/v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        """What kubectl also takes for it."""
        return self.kind.lower()

    @property
    def root(self) -> str:
        """The path of the group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def qualified(self) -> str:
        """``deployments.apps``, as messages say it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def subresource(self, name: str) -> Subresource | None:
        """The subresource of that name."""
        return next((part for part in self.subresources if part.name == name), None)


_READ_WRITE = ("get", "patch", "update")


def _status(kind: str) -> Subresource:
    return Subresource("status", kind, _READ_WRITE)


_SCALE = Subresource("scale", "Scale", _READ_WRITE, "autoscaling", "v1")
_CONNECT = ("create", "get")

POD = Kind(
    "",
    "v1",
    "Pod",
    "pods",
    ("po",),
    categories=("all",),
    subresources=(
        Subresource("attach", "PodAttachOptions", _CONNECT),
        Subresource("ephemeralcontainers", "Pod", _READ_WRITE),
        Subresource("exec", "PodExecOptions", _CONNECT),
        Subresource("log", "Pod", ("get",)),
        Subresource("portforward", "PodPortForwardOptions", _CONNECT),
        _status("Pod"),
    ),
)
NAMESPACE = Kind("", "v1", "Namespace", "namespaces", ("ns",), namespaced=False, subresources=(_status("Namespace"),))
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", ("cm",))
SECRET = Kind("", "v1", "Secret", "secrets")
SERVICE = Kind("", "v1", "Service", "services", ("svc",), categories=("all",), subresources=(_status("Service"),))
SERVICE_ACCOUNT = Kind(
    "",
    "v1",
    "ServiceAccount",
    "serviceaccounts",
    ("sa",),
    subresources=(Subresource("token", "TokenRequest", ("create",), "authentication.k8s.io", "v1"),),
)
EVENT = Kind("", "v1", "Event", "events", ("ev",))
NODE = Kind("", "v1", "Node", "nodes", ("no",), namespaced=False, subresources=(_status("Node"),))
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments", ("deploy",), categories=("all",), subresources=(_SCALE, _status("Deployment")))
REPLICA_SET = Kind("apps", "v1", "ReplicaSet", "replicasets", ("rs",), categories=("all",), subresources=(_SCALE, _status("ReplicaSet")))
SUBJECT_REVIEW = Kind("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", namespaced=False, verbs=("create",))
ACCESS_REVIEW = Kind(
    "authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False, verbs=("create",)
)
RULES_REVIEW = Kind("authorization.k8s.io", "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", namespaced=False, verbs=("create",))

KINDS = (
    CONFIG_MAP,
    EVENT,
    NAMESPACE,
    NODE,
    POD,
    SECRET,
    SERVICE_ACCOUNT,
    SERVICE,
    DEPLOYMENT,
    REPLICA_SET,
    SUBJECT_REVIEW,
    ACCESS_REVIEW,
    RULES_REVIEW,
)

BY_PATH = {(kind.group, kind.version, kind.plural): kind for kind in KINDS}
GROUP_VERSIONS = tuple(dict.fromkeys((kind.group, kind.version) for kind in KINDS))
