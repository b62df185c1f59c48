"""What is refused between a request's head and its first wait, and what is waited for."""

from __future__ import annotations

import pytest
from exchange_world import Both, World

from kgate.authorizers.builtin import PolicyAuthorizer
from kgate.exchange.admission import Admission, decide
from kgate.exchange.routes import Route, Routes
from kgate.identity.credentials import Rejected
from kgate.kube.impersonation import ImpersonationRequest
from kgate.model import Action, Cluster, Context, Decision, Ending, Ground, Identity, Impersonation, Pending, Reason
from kgate.policy.load import load_policy
from kgate.wire import http2
from kgate.wire.events import RequestHead, ResponseReceived

ALICE = b"Host: gate\r\nAuthorization: Bearer alice\r\n"
NOBODY = b"Host: gate\r\n"
WEBSOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
POD = b"/clusters/lab/api/v1/namespaces/a/pods/web-0"


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.threat("07")
@pytest.mark.parametrize("upgrade", [b"h2c", b"TLS/1.3", b"SPDY/3", b"websocket2"])
def test_an_upgrade_that_nobody_can_follow_goes_nowhere(world: World, upgrade: bytes) -> None:
    world.asks(b"GET %b/exec?command=sh HTTP/1.1\r\n%bConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % (POD, ALICE, upgrade))
    assert world.pipe.take().startswith(b"HTTP/1.1 400 ") and len(world.live) == 0
    assert [refusal.message for refusal in world.refusals] == ["only WebSocket and SPDY/3.1 upgrades are carried"]


@pytest.mark.threat("07")
@pytest.mark.parametrize("upgrade", [WEBSOCKET, b"Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"])
@pytest.mark.parametrize("target", [POD, b"/clusters/lab/api/v1/pods", POD + b"/status", b"/clusters/lab/version"])
def test_what_has_nothing_to_upgrade_to_is_not_asked_to(world: World, target: bytes, upgrade: bytes) -> None:
    world.asks(b"GET %b HTTP/1.1\r\n%b%b\r\n" % (target, ALICE, upgrade))
    assert world.pipe.take().startswith(b"HTTP/1.1 400 ") and len(world.live) == 0
    assert [refusal.message for refusal in world.refusals] == ["this resource has nothing to upgrade to"]


@pytest.mark.parametrize(
    "target", [POD + b"/exec?command=sh&container=c", b"/clusters/lab/api/v1/pods?watch=true", POD + b"/log", POD + b"/log?follow=true"]
)
def test_what_has_is(world: World, target: bytes) -> None:
    world.asks(b"GET %b HTTP/1.1\r\n%b%b\r\n" % (target, ALICE, WEBSOCKET))
    assert len(world.live) == 1


@pytest.mark.parametrize(
    ("target", "lines", "status", "words"),
    [
        (b"/clusters/lab/api/v1/pods", NOBODY, 401, "the token is not known"),
        (b"/clusters/nowhere/api/v1/pods", NOBODY, 401, "the token is not known"),  # a stranger does not learn that it is not there
        (b"/clusters/lab/api/v1/../pods", NOBODY, 401, "the token is not known"),
        (b"/clusters/lab/api/v1/pods", NOBODY + b"Authorization: Basic YTpi\r\n", 401, "bearer"),
        (b"/clusters/nowhere/api/v1/pods", ALICE, 404, "there is no cluster of that name here"),
        (b"/nowhere", ALICE, 404, "this gate serves clusters under /clusters/NAME/"),
        (b"/api/v1/pods", ALICE, 404, "kubectl proxy needs --append-server-path"),
        (b"/clusters/lab/api/v1/../pods", ALICE, 400, 'the request target has a "." or ".." segment'),
        (b"/clusters/lab/api/v1/pods", ALICE + b"Impersonate-Group: dev\r\n", 400, "cannot be impersonated without a user"),
        (b"/clusters/lab/api/v1/pods", ALICE + b"Impersonate-User: bob\r\n", 403, ""),
    ],
)
def test_who_is_asked_before_where_and_what_before_as_whom(world: World, target: bytes, lines: bytes, status: int, words: str) -> None:
    world.asks(b"GET %b HTTP/1.1\r\n%b\r\n" % (target, lines))
    (refusal,) = world.refusals
    assert refusal.status == status and words in refusal.message and world.pipe.take().startswith(b"HTTP/1.1 %d " % status)


AGGREGATED = b"Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json\r\n"


def test_a_refusal_of_discovery_is_said_so_that_client_go_shows_it(world: World) -> None:
    """Of a ``Status`` there kubectl with an empty cache made "unknown", or that the server asks for credentials."""
    world.asks(b"GET /clusters/nowhere/api HTTP/1.1\r\n%b%b\r\n" % (NOBODY, AGGREGATED))
    head, _, body = world.pipe.take().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 ") and b'\r\nwarning: 299 kgate "the token is not known"' in head and b'"kind":"Status"' in body


@pytest.mark.parametrize(
    ("path", "shown"),
    [(b"/api", b"text/plain; charset=utf-8"), (b"/apis?timeout=32s", b"text/plain; charset=utf-8"), (b"/api/v1/pods", b"application/json")],
)
def test_a_denial_of_discovery_is_text_and_any_other_a_status(world: World, path: bytes, shown: bytes) -> None:
    world.asks(b"GET /clusters/lab%b HTTP/1.1\r\n%bImpersonate-User: bob\r\n%b\r\n" % (path, ALICE, AGGREGATED))
    head, _, body = world.pipe.take().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 ") and b"\r\ncontent-type: %b\r\n" % shown in head and b"\r\nwarning:" not in head
    assert body.startswith(b"{") == (b"/pods" in path)


@pytest.mark.parametrize(("most", "warned"), [(3000, True), (250, False)])
def test_a_warning_is_for_whoever_takes_so_long_a_head(most: int, warned: bool) -> None:
    """RFC 9113 section 10.5.1: who gets more than it announced may end the connection, with all that is on it."""
    both = Both(http2.Http2Limits(header_list=most))
    both.person.open(RequestHead(b"GET", b"/clusters/lab/version", b"gate", []), True)
    both.carry()
    (answer,) = [event for event in both.told if isinstance(event, ResponseReceived)]
    assert answer.status == 401 and (b"warning" in dict(answer.headers)) == warned


def test_a_denied_impersonation_is_on_record_as_what_was_asked(world: World) -> None:
    world.asks(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\n%bImpersonate-User: bob\r\nImpersonate-Uid: 7\r\n\r\n" % ALICE)
    assert world.refusals[0].asked_as == Impersonation("bob", uid="7")


def test_a_request_whose_authorizer_has_to_be_asked_waits(world: World) -> None:
    authorizer = Answers(Pending("may alice?"))
    world.admission = Admission(Routes({b"lab": Route(Cluster("lab"), world)}, {}), world.people, authorizer)  # type: ignore[arg-type]
    world.asks(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\n%b\r\n" % ALICE)
    assert [wanted for wanted, _ in world.fetching] == ["may alice?"] and world.refusals == [] and len(world.live) == 0


@pytest.mark.threat("19")
def test_whoever_makes_too_many_requests_is_refused_before_anybody_is_asked_whether_they_may(world: World) -> None:
    world.quota.use(1)
    authorizer = Answers(*[NO] * 5)
    world.admission = Admission(Routes({b"lab": Route(Cluster("lab"), world)}, {}), world.people, authorizer)  # type: ignore[arg-type]
    for _ in range(7):
        world.asks(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\n%b\r\n" % ALICE)
    assert [(refusal.status, refusal.retry_after) for refusal in world.refusals] == [(403, 0)] * 5 + [(429, 1)] * 2
    assert world.refusals[-1].identity is not None and world.refusals[-1].decision is None


@pytest.mark.threat("19")
def test_a_request_that_waits_is_one_request(world: World) -> None:
    """It is admitted anew each time that what it waited for has come."""
    world.quota.use(1)
    authorizer = Answers(*[Pending("may alice?"), NO] * 5, NO)
    world.admission = Admission(Routes({b"lab": Route(Cluster("lab"), world)}, {}), world.people, authorizer)  # type: ignore[arg-type]
    for _ in range(5):
        world.asks(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\n%b\r\n" % ALICE)
        world.fetched()
    assert [refusal.status for refusal in world.refusals] == [403] * 5
    world.asks(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\n%b\r\n" % ALICE)
    assert world.refusals[-1].status == 429


def test_what_lives_waits_while_an_authorizer_is_asked_again(world: World) -> None:
    answers = Answers(yes("alice"), Pending("still?"), NO)
    world.admission = Admission(Routes({b"lab": Route(Cluster("lab"), world)}, {}), world.people, answers)  # type: ignore[arg-type]
    world.asks(b"GET /clusters/lab/api/v1/pods?watch=true HTTP/1.1\r\n%b\r\n" % ALICE)
    world.live.reevaluate(world.clock)
    assert [wanted for wanted, _ in world.fetching] == ["still?"] and world.exchange.closed_by is None
    world.fetched()
    assert world.exchange.closed_by is not None


@pytest.mark.parametrize("said", [Decision(True, "r1", "rule"), Decision(False, "r1", impersonate=Impersonation("alice"))])
def test_nobody_goes_upstream_without_a_yes_and_a_name(world: World, said: Decision) -> None:
    world.admission = Admission(Routes({b"lab": Route(Cluster("lab"), world)}, {}), world.people, Answers(said))  # type: ignore[arg-type]
    world.asks(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\n%b\r\n" % ALICE)
    assert [(refusal.status, refusal.decision) for refusal in world.refusals] == [(403, said)] and len(world.live) == 0


@pytest.mark.parametrize(("ended", "ending"), [(False, Ending.EXPIRED), (True, Ending.LOGOUT)])
def test_whose_credential_is_gone_is_cut_as_what_that_was(world: World, ended: bool, ending: Ending) -> None:
    world.asks(b"GET /clusters/lab/api/v1/pods?watch=true HTTP/1.1\r\n%b\r\n" % ALICE)
    world.people.authenticate = lambda credentials, now: Rejected("the session is over", ended=ended)  # type: ignore[method-assign]
    world.live.reevaluate(world.clock)
    assert world.exchange.closed_by is not None and world.exchange.closed_by.ending is ending
    assert world.exchange.closed_by.text == "kgate: closed by policy: the session is over (request ID)"


def test_what_lives_waits_too_while_it_is_asked_who_that_is(world: World) -> None:
    world.asks(b"GET /clusters/lab/api/v1/pods?watch=true HTTP/1.1\r\n%b\r\n" % ALICE)
    world.people.unsure.add("alice")
    world.live.reevaluate(world.clock)
    assert [wanted for wanted, _ in world.fetching] == ["who is alice?"] and world.exchange.closed_by is None
    world.people.unsure.clear()
    world.people.gone.add("alice")
    world.fetched()
    assert world.exchange.closed_by is not None


class Answers:
    """An authorizer that says these, one after the other."""

    def __init__(self, *says: Decision | Pending) -> None:
        self.says = list(says)
        self.asked: list[tuple[str, str]] = []

    def authorize(self, identity: Identity, action: Action, context: Context) -> Decision | Pending:
        self.asked.append((identity.user, action.verb))
        return self.says.pop(0)


GET = Action(Cluster("lab"), "GET", "get", "/x", "/x", resource="pods")
HERE = Context(0.0, "192.0.2.1")
BOB = ImpersonationRequest("bob", ("dev",))
NO = Decision(False, "r1", reasons=(Reason(Ground.NO_RULE, text="no rule allows it"),))


def yes(user: str, until: float | None = None) -> Decision:
    return Decision(True, "r1", "rule", impersonate=Impersonation(user), until=until)


def asked(*says: Decision | Pending, wanted: ImpersonationRequest | None = BOB) -> tuple[Decision | Pending, list[tuple[str, str]]]:
    authorizer = Answers(*says)
    return decide(authorizer, Identity("alice"), GET, HERE, wanted), authorizer.asked  # type: ignore[arg-type]


def test_whoever_acts_as_another_needs_each_step_and_stops_at_the_first_that_is_missing() -> None:
    become, do = ("alice", "impersonate"), ("bob", "get")
    assert asked(yes("alice"), yes("alice"), yes("bob")) == (yes("bob"), [become, become, do])
    assert asked(yes("alice"), NO) == (NO, [become, become])
    assert asked(yes("alice"), Pending("?")) == (Pending("?"), [become, become])
    assert asked(yes("alice"), yes("alice"), NO) == (NO, [become, become, do])
    assert asked(yes("alice"), yes("alice"), Pending("?")) == (Pending("?"), [become, become, do])
    assert asked(Pending("?"), wanted=None) == (Pending("?"), [("alice", "get")])


def test_it_holds_until_the_first_of_their_ends() -> None:
    assert asked(yes("alice", 9.0), yes("alice", 7.0), yes("bob", 8.0))[0] == yes("bob", 7.0)
    assert asked(yes("alice"), yes("alice"), yes("bob", 8.0))[0] == yes("bob", 8.0)


@pytest.mark.threat("03")
@pytest.mark.parametrize("user", ["", "bob\x0bsystem:masters", "bob ", "bob\u2028"])
def test_a_name_that_a_reader_could_take_for_two_never_goes_upstream(user: str) -> None:
    decision, _ = asked(yes(user, 5.0), wanted=None)
    assert isinstance(decision, Decision) and (decision.allowed, decision.impersonate, decision.until) == (False, None, 5.0)
    (reason,) = decision.reasons
    assert (reason.ground, reason.rule) == (Ground.IMPERSONATION, "rule")
    assert reason.text.startswith("in the name that the cluster would see, the user ")


class ShutOut:
    """Locks on some users."""

    def __init__(self) -> None:
        self.users: set[str] = set()

    def on(self, identity: Identity, cluster: str, now: float) -> Reason | None:
        return Reason(Ground.LOCK, text=f'lock "x" on user {identity.user}, by bob') if identity.user in self.users else None


@pytest.fixture
def locks(world: World) -> ShutOut:
    held = ShutOut()
    policy = PolicyAuthorizer(load_policy(BOB_MAY_BE_ALICE, "policy.yaml"))
    world.admission = Admission(Routes({b"lab": Route(Cluster("lab"), world)}, {}), world.people, policy, locks=held)  # type: ignore[arg-type]
    return held


BOB_MAY_BE_ALICE = (
    '{"rules": [{"name": "all", "who": {"users": ["*"]}, "clusters": {"names": ["*"]}, '
    '"allow": [{"verbs": ["*"], "resources": ["*"]}, {"actions": ["impersonate"], "resources": ["users"], "names": ["*"]}]}]}'
)


@pytest.mark.parametrize(
    ("locked", "more"), [("alice", b""), ("alice", b"Impersonate-User: carol\r\n"), ("carol", b"Impersonate-User: carol\r\n")]
)
def test_whoever_is_locked_out_is_denied_and_so_is_whoever_asks_to_be_them(world: World, locks: ShutOut, locked: str, more: bytes) -> None:
    ask = b"GET /clusters/lab/api/v1/pods?watch=true HTTP/1.1\r\n%b%b\r\n" % (ALICE, more)
    world.asks(ask)
    assert len(world.live) == 1 and world.refusals == []
    locks.users.add(locked)
    world.live.reevaluate(world.clock)
    assert world.exchange.closed_by is not None and world.exchange.closed_by.ending is Ending.LOCK
    assert world.exchange.closed_by.text == f'kgate: closed by policy: lock "x" on user {locked}, by bob (request ID)'


def test_a_request_of_whoever_is_locked_out_goes_nowhere(world: World, locks: ShutOut) -> None:
    locks.users.add("alice")
    world.asks(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\n%b\r\n" % ALICE)
    (refused,) = world.refusals
    assert refused.status == 403 and refused.decision is not None and len(world.live) == 0
    assert [(each.ground, each.text) for each in refused.decision.reasons] == [(Ground.LOCK, 'lock "x" on user alice, by bob')]
