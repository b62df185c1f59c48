"""The policy decides first; whoever else is asked must agree, in time, and an answer counts no longer than it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kgate.authorizers.answers import MOST_KEPT, SHORTEST, Answers, Lives
from kgate.authorizers.builtin import PolicyAuthorizer
from kgate.authorizers.chain import Chain, Consulted
from kgate.authorizers.interface import Answer, Opinion, Question, Questions, Unanswered
from kgate.authorizers.opa import OpaQuestions, input_of
from kgate.authorizers.webhook import SubjectReviews
from kgate.model import Action, Cluster, Context, Decision, Device, Fact, Ground, Identity, Operation, Pending
from kgate.policy.load import load_policy

POLICY = load_policy(
    'rules: [{name: r, who: {users: [alice]}, clusters: {names: ["*"]}, allow: [{verbs: [get], resources: [pods]}]}]', "policy.yaml"
)
ALICE = Identity("alice", ("developers",))
GET = Action(Cluster("c"), "GET", "get", "/x", "/x", "", "v1", "pods", "", "ns", "p")
YES, NO, NEITHER = Answer(Opinion.ALLOWED), Answer(Opinion.DENIED, "not on Fridays"), Answer(Opinion.NONE, "it has no opinion")


class Named(SubjectReviews):
    """Asked by nobody here."""

    async def ask(self, question: Question) -> Answer | Unanswered:
        raise AssertionError


class World:
    """A chain of a policy and two others, and a clock."""

    def __init__(self) -> None:
        self.now, self.wall = 100.0, 1_800_000_000.0
        self.renewals: list[Question] = []
        self.others = [Consulted(name, Named(name), Answers(lambda: self.now, Lives(30.0, 6.0))) for name in ("one", "two")]
        self.chain = Chain(PolicyAuthorizer(POLICY), self.others, self.renewals.append, lambda: self.now)

    def asks(self, identity: Identity = ALICE, action: Action = GET) -> Decision | Pending:
        return self.chain.authorize(identity, action, Context(self.wall, "192.0.2.1"))

    def wanted(self) -> tuple[Question, ...]:
        pending = self.asks()
        assert isinstance(pending, Pending) and isinstance(pending.wanted, Questions)
        return pending.wanted.each

    def learns(self, *answers: Answer) -> list[bool]:
        questions = {question.authorizer: question for question in self.wanted()}
        return [other.answers.learn(questions[other.name], answer) for other, answer in zip(self.others, answers, strict=False)]

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds


@pytest.fixture
def world() -> World:
    return World()


def decided(decision: Decision | Pending) -> Decision:
    assert isinstance(decision, Decision)
    return decision


def test_what_is_not_known_is_wanted_at_once_and_then_all_agree(world: World) -> None:
    assert [question.authorizer for question in world.wanted()] == ["one", "two"]
    world.learns(YES, YES)
    decision = decided(world.asks())
    assert decision.allowed and decision.rule == "r" and decision.impersonate is not None
    assert decision.until == world.wall + 20  # two thirds of 30 s: then the answers are renewed


def test_what_the_policy_denies_nobody_else_is_asked_about(world: World) -> None:
    assert not decided(world.asks(Identity("mallory"))).allowed


@pytest.mark.parametrize(("answer", "words"), [(NO, "not on Fridays"), (NEITHER, "it has no opinion")])
@pytest.mark.parametrize("place", [0, 1])
def test_any_may_deny_and_no_opinion_is_a_denial(world: World, answer: Answer, words: str, place: int) -> None:
    world.learns(*([answer, YES] if place == 0 else [YES, answer]))
    decision = decided(world.asks())
    assert not decision.allowed and decision.impersonate is None
    name = ("one", "two")[place]
    assert [(reason.ground, reason.text) for reason in decision.reasons] == [
        (Ground.AUTHORIZER, f'authorizer "{name}" does not allow it: {words}')
    ]


def test_one_that_denies_is_enough_while_another_is_not_known(world: World) -> None:
    question = world.wanted()[0]
    world.others[0].answers.learn(question, NO)
    assert not decided(world.asks()).allowed


def test_an_answer_counts_for_its_time_and_is_renewed_before_its_end(world: World) -> None:
    world.learns(YES, Answer(Opinion.ALLOWED, holds=9.0))
    world.passes(5.9)
    assert decided(world.asks()).allowed and world.renewals == []
    world.passes(0.2)
    decision = decided(world.asks())
    assert decision.allowed and [question.authorizer for question in world.renewals] == ["two"]
    assert decision.until == pytest.approx(world.wall + 2.9, rel=0, abs=1e-3)
    world.passes(3)
    assert [question.authorizer for question in world.wanted()] == ["two"]


def test_a_yes_and_a_no_count_for_as_long_as_the_settings_say(world: World) -> None:
    world.learns(NO, YES)
    assert decided(world.asks()).until == pytest.approx(world.wall + 4, rel=0, abs=1e-3)  # renewed before its end
    world.passes(5.9)
    assert not decided(world.asks()).allowed
    world.passes(0.1)
    assert [question.authorizer for question in world.wanted()] == ["one"]
    world.passes(23.9)
    assert [question.authorizer for question in world.wanted()] == ["one"]
    world.passes(0.1)
    assert [question.authorizer for question in world.wanted()] == ["one", "two"]


def test_an_answer_that_may_not_be_kept_serves_those_who_waited_for_it(world: World) -> None:
    world.learns(Answer(Opinion.ALLOWED, holds=0.0), YES)
    assert decided(world.asks()).allowed
    world.passes(SHORTEST)
    assert len(world.wanted()) == 1


@pytest.mark.threat("28")
def test_threat_28_a_clock_set_back_makes_no_answer_count_longer(world: World) -> None:
    world.learns(YES, YES)
    world.wall -= 3600
    world.now += 30
    assert isinstance(world.asks(), Pending)


def test_a_change_of_mind_is_told(world: World) -> None:
    questions = world.wanted()
    answers = world.others[0].answers
    assert [answers.learn(questions[0], answer) for answer in (NO, YES, YES, NO, NO, YES)] == [False, False, False, True, False, False]


@pytest.mark.parametrize(
    "other",
    [
        {"user": "alice2"},
        {"groups": ("developers", "sre")},
        {"uid": "7"},
        {"extra": (("team", ("a",)),)},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [SubjectReviews("x"), OpaQuestions("x")], ids=["webhook", "opa"])
def test_another_caller_is_another_question(kind: Any, other: dict[str, Any]) -> None:
    ask = kind.question
    decision = Decision(True, "r1", "r")
    context = Context(0.0, "192.0.2.1")
    assert ask(ALICE, GET, context, decision) == ask(ALICE, GET, context.but(now=9.0), decision)
    assert ask(ALICE, GET, context, decision) != ask(ALICE.but(**other), GET, context, decision)


@pytest.mark.parametrize(
    "other",
    [
        {"cluster": Cluster("d")},
        {"verb": "list"},
        {"api_group": "apps"},
        {"resource": "secrets"},
        {"subresource": "log"},
        {"namespace": "other"},
        {"name": "q"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [SubjectReviews("x"), OpaQuestions("x")], ids=["webhook", "opa"])
def test_another_action_is_another_question(kind: Any, other: dict[str, Any]) -> None:
    decision, context = Decision(True, "r1", "r"), Context(0.0, "192.0.2.1")
    assert kind.question(ALICE, GET, context, decision) != kind.question(ALICE, GET.but(**other), context, decision)


@pytest.mark.parametrize(
    "other", [{"container": "b"}, {"command": ("sh",)}, {"ports": (80,)}, {"operation": Operation.EXEC}, {"label_selector": "a=b"}], ids=str
)
def test_opa_is_asked_about_what_only_kgate_knows(other: dict[str, Any]) -> None:
    kind, decision, context = OpaQuestions("x"), Decision(True, "r1", "r"), Context(0.0, "192.0.2.1")
    assert kind.question(ALICE, GET, context, decision) != kind.question(ALICE, GET.but(**other), context, decision)


@pytest.mark.parametrize(
    "other",
    [
        {"address": "192.0.2.2"},
        {"user_agent": "helm"},
        {"country": "DE"},
        {"asn": 64500},
        {"facts": (Fact("freeze", '"none"'),)},
    ],
    ids=str,
)
def test_another_place_is_another_question_to_opa(other: dict[str, Any]) -> None:
    kind, decision, context = OpaQuestions("x"), Decision(True, "r1", "r"), Context(0.0, "192.0.2.1")
    assert kind.question(ALICE, GET, context, decision) != kind.question(ALICE, GET, context.but(**other), decision)
    assert kind.question(ALICE, GET, context, decision) != kind.question(ALICE, GET, context, decision.but(rule="other"))


def test_answers_are_bounded() -> None:
    answers = Answers(lambda: 0.0, Lives())
    for number in range(MOST_KEPT + 1):
        answers.learn(Question("x", number), YES)
    assert len(answers) == MOST_KEPT and answers.of(Question("x", 0)) is None


def test_of_many_answers_the_least_recently_learned_goes_first() -> None:
    answers = Answers(lambda: 0.0, Lives())
    for number in (*range(MOST_KEPT), 0, MOST_KEPT):
        answers.learn(Question("x", number), YES)
    assert answers.of(Question("x", 0)) is not None and answers.of(Question("x", 1)) is None


def test_what_is_over_leaves_the_memory_as_others_are_learned() -> None:
    """Each request asks about another name: 20,000 answers that counted for ten seconds stayed, 20 MB of each authorizer's."""
    now = [0.0]
    answers = Answers(lambda: now[0], Lives(10.0, 5.0))
    for number in range(100):
        answers.learn(Question("x", number), YES)
    now[0] = 9.9
    answers.learn(Question("x", 1), YES)
    assert len(answers) == 100
    now[0] = 10.0
    answers.learn(Question("x", 100), YES)
    assert len(answers) == 2 and answers.of(Question("x", 1)) is not None


def test_the_document_that_rego_reads_is_what_the_page_says() -> None:
    device = Device("lap-1", True, (("os", "linux"),))
    identity = Identity(
        "alice", ("dev",), "7", (("team", ("a", "b")),), "https://idp", robot="ci", acr="gold", amr=("otp",), device=device, session="s"
    )
    cluster = Cluster("prod", (("env", "prod"),))
    action = Action(
        cluster, "POST", "create", "/raw", "/path", "apps", "v1", "pods", "exec", "shop", "web", Operation.EXEC, "app", ("sh",), (80,)
    ).but(field_selector="a=b", label_selector="c=d")  # fmt: skip
    context = Context(9.0, "192.0.2.1", "kubectl", "DE", 64500, (Fact("incident", '{"open": false}', until=5.0),))
    assert input_of(identity, action, context, Decision(True, "r1", "shells")) == {
        "identity": {
            "user": "alice",
            "groups": ["dev"],
            "uid": "7",
            "extra": {"team": ["a", "b"]},
            "issuer": "https://idp",
            "robot": "ci",
            "acr": "gold",
            "amr": ["otp"],
            "device": {"name": "lap-1", "compliant": True, "posture": {"os": "linux"}},
        },
        "action": {
            "cluster": "prod",
            "labels": {"env": "prod"},
            "verb": "create",
            "operation": "exec",
            "group": "apps",
            "version": "v1",
            "resource": "pods",
            "subresource": "exec",
            "namespace": "shop",
            "name": "web",
            "container": "app",
            "command": ["sh"],
            "ports": [80],
            "path": "/path",
            "field_selector": "a=b",
            "label_selector": "c=d",
        },
        "context": {"address": "192.0.2.1", "user_agent": "kubectl", "country": "DE", "asn": 64500, "facts": {"incident": {"open": False}}},
        "rule": "shells",
    }
    bare = input_of(Identity("bob"), GET, Context(0.0, ""), Decision(True, "r1"))
    assert (bare["identity"]["device"], bare["action"]["operation"], bare["context"]["asn"], bare["context"]["facts"]) == (
        None,
        "",
        None,
        {},
    )
    page = (Path(__file__).parents[2] / "docs" / "authorizers.md").read_text()
    assert [name for part in ("identity", "action", "context") for name in bare[part] if f"`{name}`" not in page] == []
