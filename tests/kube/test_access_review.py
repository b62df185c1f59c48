"""Reviews as kubectl and client-go send them, and what is no review."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgate.kube.access_review import (
    Attributes,
    Review,
    ReviewStatus,
    parse_rules_review,
    parse_self_review,
    render_answer,
    render_review,
    review_status,
)
from kgate.kube.protobuf import MAGIC, Malformed, read_message

JSON, PROTOBUF = "application/json", "application/vnd.kubernetes.protobuf"


def field(number: int, value: bytes) -> bytes:
    """A length-delimited field, by the book."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def envelope(kind: str, raw: bytes) -> bytes:
    meta = field(1, b"authorization.k8s.io/v1") + field(2, kind.encode())
    return MAGIC + field(1, meta) + field(2, raw) + field(3, b"") + field(4, b"")


def as_protobuf(attributes: Attributes) -> bytes:
    if attributes.resource:
        names = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
        inner = b"".join(field(number, getattr(attributes, name).encode()) for number, name in enumerate(names, 1))
        spec = field(1, inner)
    else:
        spec = field(2, field(1, attributes.path.encode()) + field(2, attributes.verb.encode()))
    return envelope("SelfSubjectAccessReview", field(1, b"") + field(2, spec) + field(3, varint(1 << 3) + b"\0"))


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40)
SOME = TEXT.filter(bool)
RESOURCES = st.builds(
    Attributes, verb=TEXT, group=TEXT, version=TEXT, resource=SOME, subresource=TEXT, namespace=TEXT, name=TEXT, path=st.just("")
)
PATHS = st.builds(Attributes, verb=TEXT, path=SOME)


@given(RESOURCES | PATHS)
def test_protobuf_and_json_mean_the_same(attributes: Attributes) -> None:
    review = Review(attributes)
    assert parse_self_review(render_review(review), JSON) == review
    assert parse_self_review(as_protobuf(attributes), PROTOBUF) == review


def requirement(key: str, operator: str, *values: str) -> bytes:
    return field(2, field(1, key.encode()) + field(2, operator.encode()) + b"".join(field(3, value.encode()) for value in values))


def selecting(number: int, selector: bytes) -> bytes:
    inner = field(2, b"list") + field(5, b"pods") + field(number, selector)
    return envelope("SelfSubjectAccessReview", field(1, b"") + field(2, field(1, inner)))


@pytest.mark.parametrize(
    ("kind", "given_json", "protobuf", "text"),
    [
        ("labelSelector", {"rawSelector": "a=b"}, field(1, b"a=b"), "a=b"),
        (
            "labelSelector",
            {"requirements": [{"key": "a", "operator": "In", "values": ["b", "c"]}, {"key": "d", "operator": "DoesNotExist"}]},
            requirement("a", "In", "b", "c") + requirement("d", "DoesNotExist"),
            "a in (b,c),!d",
        ),
        (
            "fieldSelector",
            {"requirements": [{"key": "a.b", "operator": "In", "values": ["c"]}, {"key": "d", "operator": "NotIn", "values": ["e"]}]},
            requirement("a.b", "In", "c") + requirement("d", "NotIn", "e"),
            "a.b=c,d!=e",
        ),
        ("fieldSelector", {"requirements": [{"key": "a", "operator": "In", "values": ["b", "c"]}]}, requirement("a", "In", "b", "c"), ""),
        ("labelSelector", {}, b"", ""),
    ],
)
def test_selectors_mean_the_same_in_both_forms(kind: str, given_json: dict[str, object], protobuf: bytes, text: str) -> None:
    selector = {"label_selector" if kind == "labelSelector" else "field_selector": text}
    wanted = Review(Attributes("list", resource="pods", **selector))
    document = {"spec": {"resourceAttributes": {"verb": "list", "resource": "pods", kind: given_json}}}
    assert parse_self_review(json.dumps(document).encode(), JSON) == wanted
    assert parse_self_review(selecting(9 if kind == "labelSelector" else 8, protobuf), PROTOBUF) == wanted


@pytest.mark.parametrize(
    "selector",
    [
        "a=b",
        {"rawSelector": 1},
        {"requirements": {}} | {"rawSelector": "a", "requirements": [{}]},
        {"requirements": [1]},
        {"requirements": [{}]},
    ],
)
def test_what_is_no_selector_is_refused(selector: object) -> None:
    document = {"spec": {"resourceAttributes": {"verb": "list", "resource": "pods", "labelSelector": selector}}}
    assert isinstance(parse_self_review(json.dumps(document).encode(), JSON), str)


def test_a_selector_in_both_forms_is_refused() -> None:
    assert isinstance(parse_self_review(selecting(9, field(1, b"a=b") + requirement("a", "Exists")), PROTOBUF), str)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_words(body: bytes) -> None:
    for content_type in (JSON, PROTOBUF):
        for given_body in (body, MAGIC + body):
            read = parse_self_review(given_body, content_type)
            assert isinstance(read, Review) or (isinstance(read, str) and read.isprintable())
            parse_rules_review(given_body, content_type)


@given(RESOURCES, st.integers(0, 400))
def test_a_review_cut_short_is_no_review(attributes: Attributes, at: int) -> None:
    whole = as_protobuf(attributes)
    spec_end = len(whole) - len(field(3, varint(1 << 3) + b"\0")) - 4
    if at < spec_end - 8:
        assert isinstance(parse_self_review(whole[:at], PROTOBUF), str)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{}", "exactly one of"),
        (b'{"spec": {"resourceAttributes": {}, "nonResourceAttributes": {}}}', "exactly one of"),
        (b'{"spec": {"resourceAttributes": []}}', "exactly one of"),
        (b'{"spec": {"resourceAttributes": {"verb": 1}}}', "not text"),
        (b'{"kind": "SubjectAccessReview", "spec": {"resourceAttributes": {}}}', "no SelfSubjectAccessReview"),
        (b'{"apiVersion": "authorization.k8s.io/v1beta1", "spec": {"resourceAttributes": {}}}', "no SelfSubjectAccessReview"),
        (b"[]", "no SelfSubjectAccessReview"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_json_that_is_no_review(body: bytes, why: str) -> None:
    read = parse_self_review(body, JSON)
    assert isinstance(read, str) and why in read


def test_a_field_twice_is_refused_where_protobuf_would_let_the_last_win() -> None:
    twice = field(1, field(2, b"get")) + field(1, field(2, b"delete"))
    read = parse_self_review(envelope("SelfSubjectAccessReview", field(2, twice)), PROTOBUF)
    assert isinstance(read, str) and "field 1 stands twice" in read
    another = parse_self_review(envelope("SelfSubjectRulesReview", field(2, field(1, b"ns"))), PROTOBUF)
    assert isinstance(another, str) and "no SelfSubjectAccessReview" in another


@pytest.mark.parametrize("data", [b"\x80" * 11, b"\x0b", b"\x0a\x05ab", b"\x09\x00", b"\x0d\x00"])
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_message(data)


def test_numbers_of_other_kinds_are_passed_over() -> None:
    data = b"\x08\x96\x01" + b"\x11" + b"\0" * 8 + b"\x1d" + b"\0" * 4 + field(4, b"x")
    assert read_message(data).fields == {4: b"x"}


def test_a_rules_review_says_its_namespace() -> None:
    assert parse_rules_review(b'{"spec": {"namespace": "team-a"}}', JSON) == "team-a"
    assert parse_rules_review(envelope("SelfSubjectRulesReview", field(2, field(1, b"team-a"))), PROTOBUF) == "team-a"
    assert parse_rules_review(b'{"spec": {"namespace": 1}}', JSON) is None
    assert parse_rules_review(b"nonsense", PROTOBUF) is None


def test_an_answer_reads_as_kubernetes_own() -> None:
    review = Review(Attributes("create", resource="pods", subresource="exec", namespace="team-a"))
    answer = json.loads(render_answer(review, ReviewStatus(False, reason='kgate: rule "r"\nwould allow it, but')))
    assert answer["status"] == {"allowed": False, "reason": 'kgate: rule "r" would allow it, but'}
    assert answer["kind"] == "SelfSubjectAccessReview"
    assert answer["spec"]["resourceAttributes"] == {"namespace": "team-a", "verb": "create", "resource": "pods", "subresource": "exec"}
    assert review_status(render_answer(review, ReviewStatus(True, reason="yes"))) == ReviewStatus(True, False, "yes", "")


@pytest.mark.parametrize("length", [127, 128, 16_383, 16_384])
def test_a_name_of_any_length_is_read(length: int) -> None:
    attributes = Attributes("get", resource="pods", name="n" * length)
    assert parse_self_review(as_protobuf(attributes), PROTOBUF) == Review(attributes)


def test_a_selector_that_has_no_plain_words_is_left_out() -> None:
    """What is asked is more then, never less."""
    told = {
        "requirements": [
            {"key": "a b", "operator": "Exists"},
            {"key": "c", "operator": "In", "values": ["d,e"]},
            {"key": "f", "operator": "Gt"},
        ]
    }
    document = {"spec": {"resourceAttributes": {"verb": "list", "resource": "pods", "labelSelector": told}}}
    assert parse_self_review(json.dumps(document).encode(), JSON) == Review(Attributes("list", resource="pods"))


@pytest.mark.parametrize(
    ("operator", "values", "text"),
    [
        ("In", ["b", "c"], "a in (b,c)"),
        ("NotIn", ["b"], "a notin (b)"),
        ("Exists", [], "a"),
        ("DoesNotExist", [], "!a"),
    ],
)
def test_each_operator_of_a_label_selector(operator: str, values: list[str], text: str) -> None:
    given_json = {"requirements": [{"key": "a", "operator": operator, "values": values}]}
    document = {"spec": {"resourceAttributes": {"verb": "list", "resource": "pods", "labelSelector": given_json}}}
    assert parse_self_review(json.dumps(document).encode(), JSON) == Review(Attributes("list", resource="pods", label_selector=text))


@pytest.mark.parametrize(
    "term",
    [
        {"key": 1, "operator": "Exists"},
        {"key": "a", "operator": None},
        {"key": "a", "operator": "In", "values": "b"},
        {"key": "a", "operator": "In", "values": [1]},
    ],
)
def test_a_requirement_of_other_types_is_refused(term: object) -> None:
    document = {"spec": {"resourceAttributes": {"verb": "list", "resource": "pods", "labelSelector": {"requirements": [term]}}}}
    assert isinstance(parse_self_review(json.dumps(document).encode(), JSON), str)


# --- asking others, and their answers


def test_what_a_cluster_is_asked_about_somebody() -> None:
    review = Review(
        Attributes("create", "", "v1", "pods", "exec", "payments", "web-0"),
        "alice",
        ("dev", "sre"),
        "u-1",
        (("scopes", ("read", "write")),),
    )
    assert json.loads(render_review(review)) == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "resourceAttributes": {
                "verb": "create", "version": "v1", "resource": "pods", "subresource": "exec", "namespace": "payments", "name": "web-0",
            },
            "user": "alice",
            "groups": ["dev", "sre"],
            "uid": "u-1",
            "extra": {"scopes": ["read", "write"]},
        },
    }  # fmt: skip
    about_a_path = json.loads(render_review(Review(Attributes("get", path="/metrics"), "alice")))
    assert about_a_path["spec"] == {"nonResourceAttributes": {"verb": "get", "path": "/metrics"}, "user": "alice"}


def test_what_a_client_is_answered() -> None:
    review = Review(Attributes("list", resource="pods", field_selector="a=b", label_selector="c"))
    assert json.loads(render_answer(review, ReviewStatus(False, True, "no\n", "x" * 1001))) == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {
            "resourceAttributes": {
                "verb": "list", "resource": "pods", "fieldSelector": {"rawSelector": "a=b"}, "labelSelector": {"rawSelector": "c"},
            }
        },
        "status": {"allowed": False, "denied": True, "reason": "no ", "evaluationError": "x" * 999 + "…"},
    }  # fmt: skip
    assert json.loads(render_answer(review, ReviewStatus(True)))["status"] == {"allowed": True}


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        ({"allowed": True}, ReviewStatus(True)),
        ({"allowed": False, "denied": True}, ReviewStatus(False, True)),
        ({"allowed": False, "reason": "r\x1b", "evaluationError": "e" * 1000}, ReviewStatus(False, False, "r\ufffd", "e" * 1000)),
        ({}, "no status.allowed"),
        ([True], "no status.allowed"),
        ({"allowed": "true"}, "no status.allowed"),
        ({"allowed": 1}, "no status.allowed"),
        ({"allowed": None}, "no status.allowed"),
        ({"allowed": True, "denied": "false"}, "a status of wrong types"),
        ({"allowed": True, "denied": None}, "a status of wrong types"),
        ({"allowed": True, "reason": 7}, "a status of wrong types"),
        ({"allowed": True, "evaluationError": {}}, "a status of wrong types"),
    ],
)
def test_only_a_plain_yes_is_one(status: object, answer: ReviewStatus | str) -> None:
    assert review_status(json.dumps({"kind": "SubjectAccessReview", "status": status}).encode()) == answer


@pytest.mark.parametrize(
    ("body", "why"), [(b"", "not JSON"), (b"yes", "not JSON"), (b"[]", "no status.allowed"), (b"true", "no status.allowed")]
)
def test_what_is_no_answer(body: bytes, why: str) -> None:
    assert review_status(body) == why
