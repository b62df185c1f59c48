"""From a request to an answer: who asks, what for, may they, and what comes of it. Pure but for what happens to the world."""

from __future__ import annotations

from collections.abc import Callable

from kgate.demo import discovery, openapi
from kgate.demo.access import GATE_USER, Entry, User, authenticate, denial, is_gate, may
from kgate.demo.answers import Answer, Flow, Reply, refused, reply
from kgate.demo.connect import connect
from kgate.demo.following import LogFlow
from kgate.demo.kinds import ACCESS_REVIEW, POD, RULES_REVIEW, SUBJECT_REVIEW
from kgate.demo.logs import Log
from kgate.demo.pods import container_named
from kgate.demo.requests import Asked, Request, body_object, route, verb
from kgate.demo.resources import Resources
from kgate.demo.schema import Object
from kgate.demo.status import Refusal, bad_request, no_such_path, not_found, wrong_method
from kgate.demo.store import timestamp
from kgate.demo.world import World

_CONNECTS = ("exec", "attach", "portforward")


class Api:
    """The API of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._resources = Resources(world)

    def answer(self, request: Request) -> Answer:
        """What to say to ``request``."""
        user = authenticate(request.headers, self._world.token)
        found = route(request.path)
        asked_verb = verb(request, found) if found else request.method.lower()
        self._note(request, user, asked_verb)
        if isinstance(user, Refusal):
            return refused(user)
        if found is None:
            return self._no_resource(request, user)
        if not asked_verb:
            return refused(wrong_method())
        if not self._may(user, asked_verb, found.resource):
            return refused(denial(user, asked_verb, found.resource, found.kind.group, found.namespace, found.name))
        return self._resource(Asked(request, user, found, asked_verb))

    def _may(self, user: User, asked_verb: str, resource: str) -> bool:
        return may(user, asked_verb, resource, generous=self._world.generous)

    def _note(self, request: Request, user: User | Refusal, asked_verb: str) -> None:
        who = user if isinstance(user, User) else User("")
        query = "&".join(f"{name}={value}" for name, value in request.query)
        names = tuple(name for name, _ in request.headers)
        if not request.path.startswith("/demo/"):
            self._world.trail.append(Entry(who.name, who.groups, who.impersonator, asked_verb, request.path, query, names))

    # --- paths that are no resources

    def _no_resource(self, request: Request, user: User) -> Answer:
        if request.method not in ("GET", "HEAD"):
            return refused(no_such_path())
        path, accept = request.path.rstrip("/"), request.header("accept")
        if path in ("/healthz", "/readyz", "/livez"):
            return Reply(200, b"ok", "text/plain; charset=utf-8")
        if path in ("/api", "/apis") and discovery.wants_aggregated(accept):
            return reply(discovery.aggregated(core=path == "/api"), content_type=discovery.AGGREGATED)
        if path == "/demo/audit" and user.name == GATE_USER and not user.impersonator:
            return reply({"entries": [entry._asdict() for entry in self._world.trail]})
        document = self._document(path)
        return refused(no_such_path()) if document is None else reply(document)

    def _document(self, path: str) -> Object | None:
        simple: dict[str, Callable[[], Object]] = {
            "/version": lambda: discovery.version(self._world.name),
            "/api": lambda: discovery.legacy_root(self._world.name),
            "/apis": discovery.groups,
            "/openapi/v2": openapi.document_two,
            "/openapi/v3": openapi.index,
        }
        if path in simple:
            return simple[path]()
        if path.startswith("/openapi/v3/"):
            return openapi.document(path.removeprefix("/openapi/v3/"))
        parts = path.strip("/").split("/")
        if parts[0] == "apis" and len(parts) == 2:
            return discovery.group(parts[1])
        if (parts[0], len(parts)) in (("api", 2), ("apis", 3)):
            return discovery.resources(parts[1] if len(parts) == 3 else "", parts[-1])
        return None

    # --- resources

    def _resource(self, asked: Asked) -> Answer:
        found = asked.route
        reviews: dict[str, Callable[[Asked], Answer]] = {
            SUBJECT_REVIEW.plural: self._who_am_i,
            ACCESS_REVIEW.plural: self._can_i,
            RULES_REVIEW.plural: self._rules,
        }
        if found.kind.plural in reviews:
            return reviews[found.kind.plural](asked) if asked.verb == "create" else refused(wrong_method())
        if found.kind is POD and found.subresource in _CONNECTS:
            return connect(self._world, asked) if asked.verb in ("get", "create") else refused(wrong_method())
        if found.kind is POD and found.subresource == "log":
            return self._log(asked) if asked.verb == "get" else refused(wrong_method())
        if found.subresource == "token":
            return self._token(asked) if asked.verb == "create" else refused(wrong_method())
        return self._resources.answer(asked)

    def _who_am_i(self, asked: Asked) -> Answer:
        status = {"userInfo": asked.user.info()}
        return reply(_review(SUBJECT_REVIEW.api_version, SUBJECT_REVIEW.kind) | {"status": status}, 201)

    def _can_i(self, asked: Asked) -> Answer:
        body = body_object(asked.request)
        if isinstance(body, Refusal):
            return refused(body)
        spec = body.get("spec") or {}
        attributes = spec.get("resourceAttributes") or {}
        resource = "/".join(filter(None, (attributes.get("resource", ""), attributes.get("subresource", ""))))
        status: Object = {"allowed": self._may(asked.user, attributes.get("verb", "get"), resource)}
        if not status["allowed"]:
            status["reason"] = "the demo cluster's rights do not allow it"
        return reply(_review(ACCESS_REVIEW.api_version, ACCESS_REVIEW.kind) | {"spec": spec, "status": status}, 201)

    def _rules(self, asked: Asked) -> Answer:
        everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        own = is_gate(asked.user) and not self._world.generous
        rules, paths = (_GATE_RULES, ["/api", "/api/*", "/apis", "/apis/*", "/version"]) if own else ([everything], ["*"])
        status = {"resourceRules": rules, "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": paths}], "incomplete": False}
        return reply(_review(RULES_REVIEW.api_version, RULES_REVIEW.kind) | {"spec": {}, "status": status}, 201)

    def _token(self, asked: Asked) -> Answer:
        """A token of a service account: one that this small cluster itself does not accept."""
        if self._world.store.get(asked.route.kind, asked.route.namespace, asked.route.name) is None:
            return refused(not_found(asked.route.kind, asked.route.name))
        status = {"token": f"demo-{self._world.unique()}", "expirationTimestamp": timestamp(self._world.now() + 3600)}
        return reply(_review("authentication.k8s.io/v1", "TokenRequest") | {"spec": {}, "status": status}, 201)

    # --- logs

    def _log(self, asked: Asked) -> Answer:
        found, request = asked.route, asked.request
        pod = self._world.store.get(POD, found.namespace, found.name)
        if pod is None:
            return refused(not_found(POD, found.name))
        name = container_named(pod, request.first("container"))
        if isinstance(name, Refusal):
            return refused(name)
        container = self._world.kubelet.container(found.namespace, found.name, name)
        if container is None or request.flag("previous"):
            problem = f'previous terminated container "{name}" in pod "{found.name}" not found'
            waiting = f'container "{name}" in pod "{found.name}" is waiting to start: ContainerCreating'
            return refused(bad_request(waiting if container is None else problem))
        log = container.log
        flow = LogFlow(
            log,
            self._first_line(request, log),
            follow=request.flag("follow"),
            timestamps=request.flag("timestamps"),
            most=request.number("limitBytes"),
        )
        return Flow(flow, "text/plain")

    def _first_line(self, request: Request, log: Log) -> int:
        tail, since = request.number("tailLines"), request.number("sinceSeconds")
        first = 0 if tail is None else max(log.end - tail, 0)
        if since is not None:
            lines, _ = log.read(0, 1 << 40)
            young = next((at for at, line in enumerate(lines) if line.at >= self._world.now() - since), len(lines))
            first = max(first, log.end - len(lines) + young)
        return first


_OWN_REVIEWS = (ACCESS_REVIEW, RULES_REVIEW, SUBJECT_REVIEW)
_GATE_RULES: list[Object] = [
    {
        "verbs": ["create"],
        "apiGroups": ["authorization.k8s.io", "authentication.k8s.io"],
        "resources": [each.plural for each in _OWN_REVIEWS],
    },
    {"verbs": ["impersonate"], "apiGroups": ["", "authentication.k8s.io"], "resources": ["*"]},
]
"""What the token's own user may."""


def _review(api_version: str, kind: str) -> Object:
    return {"kind": kind, "apiVersion": api_version, "metadata": {"creationTimestamp": None}}
