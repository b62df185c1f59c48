"""Expressions: what is wrong with one is found when it is compiled, what fails at work is a value, and none of them runs away."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgate.documents.values import Unacceptable
from kgate.expressions import MAX_LENGTH, Expression, Failed, Kind, Vocabulary

NAMES = Vocabulary({"claims": Kind.MAPPING, "identity.groups": Kind.TEXTS, "identity.user": Kind.TEXT})
_RE2 = "patterns are RE2's: no lookahead, no backreferences, no more than 1000 repetitions"
CLAIMS: dict[str, Any] = {"sub": "alice", "groups": ["sre", "dev"], "n": 3, "email_verified": False, "none": None, "o": {"a-b": 1}}


def value(text: str, *gives: Kind) -> object:
    values = {"claims": CLAIMS, "identity.groups": ["leads"], "identity.user": "alice"}
    return NAMES.compile(text, *gives).evaluate(values)


def refusal(text: str, *gives: Kind) -> str:
    with pytest.raises(Unacceptable) as caught:
        NAMES.compile(text, *gives)
    return f"{caught.value.text} ({caught.value.hint})" if caught.value.hint else caught.value.text


def test_what_operators_write_for_kubernetes() -> None:
    assert value("claims.sub") == "alice"
    assert value("'oidc:' + claims.sub", Kind.TEXT) == "oidc:alice"
    assert value("claims.groups.map(g, 'corp:' + g)", Kind.TEXTS) == ["corp:sre", "corp:dev"]
    assert value("claims.?email_verified.orValue(true) == true", Kind.BOOLEAN) is False
    assert value("claims.?absent.orValue(true) == true", Kind.BOOLEAN) is True
    assert value("has(claims.absent)") is False
    assert value("claims.sub.lowerAscii().split('l')[1]") == "ice"
    assert value("claims.o['a-b'] + 1") == 2
    assert value('"leads" in identity.groups && identity.user == "alice"', Kind.BOOLEAN) is True


@pytest.mark.parametrize(
    ("text", "gives", "said"),
    [
        ("claims.sub +", (), "is not an expression: Syntax error: mismatched input '<EOF>' at character 13"),
        (
            "identity.gruops",
            (),
            'has the unknown name "identity.gruops" at character 9 (names: claims, identity.groups, identity.user)',
        ),
        (
            "claims.n == 3 &&\n foo",
            (),
            'has the unknown name "foo" at character 2 of its line 2 (names: claims, identity.groups, identity.user)',
        ),
        ('identity.user + "x"', (Kind.BOOLEAN,), "gives string, not true or false"),
        ("true", (Kind.TEXT, Kind.TEXTS), "gives bool, not text or a list of texts"),
        *(
            (text, (), f"has a regular expression that does not compile: {said} ({_RE2})")
            for text, said in (
                ("identity.user.matches('(')", "missing ): ("),
                ("matches(identity.user, r'a(?=b)')", "invalid perl operator: (?="),
                (r"identity.user.matches('\\pL{1000}')", "pattern too large - compile failed"),
                ("identity.groups.exists(g, g == 'x' || g.matches('[é'))", "missing ]: [é"),
                ("{'a': [identity.user.matches('(a{1000}){1000}') ? 1 : 2]}.a[0] == 1", "invalid repetition size: {1000}"),
                ("cel.bind(u, identity.user, !(u.size() > 3 && u.matches('*')))", "no argument for repetition operator: *"),
            )
        ),
        ("identity.user + 1", (), "is not an expression: found no matching overload for '_+_' applied to '(string, int)' at character 15"),
        (" ", (), "is an empty expression (write one, or leave the key out)"),
        ("1+" * MAX_LENGTH + "1", (), f"is an expression of more than {MAX_LENGTH} characters (split it into several)"),
        ("(" * 500 + "1" + ")" * 500, (), "is not an expression: Expression recursion limit exceeded. limit: 32"),
        ("ip('10.0.0.1').family() == 4", (), 'has the unknown name "ip" at character 3 (names: claims, identity.groups, identity.user)'),
    ],
)
def test_a_wrong_expression_is_refused_where_it_stands(text: str, gives: tuple[Kind, ...], said: str) -> None:
    assert refusal(text, *gives) == said


@pytest.mark.parametrize("text", ["claims.absent", "claims.sub + 1", "1 / (claims.n - 3)", "claims.groups[9]", "optional.none()"])
def test_what_fails_at_work_is_a_value(text: str) -> None:
    assert isinstance(value(text), Failed)


def test_a_condition_that_gives_no_answer_is_not_true() -> None:
    given_ = {"claims": CLAIMS}
    assert NAMES.compile("claims.sub").holds(given_) == Failed("it gives neither true nor false")
    assert NAMES.compile("claims.absent == 1").holds(given_) == Failed('Key not found in map : "absent"')
    assert NAMES.compile("claims.n == 3").holds(given_) is True


def test_nested_comprehensions_stop() -> None:
    """A million steps were asked for; the library's budget is ten thousand however they are nested."""
    ten = "[0,1,2,3,4,5,6,7,8,9]"
    text = "".join(f"{ten}.all({name}, " for name in "abcdef") + "true" + ")" * 6
    assert NAMES.compile(text).evaluate({}) == Failed("Iteration budget exceeded")


def test_values_that_cel_does_not_know_are_no_crash() -> None:
    expression = NAMES.compile("claims.a == claims.a")
    for odd in (2**70, "\ud800", (1, 2), object(), frozenset("a"), {"a": "\udfff"}):
        assert isinstance(expression.evaluate({"claims": {"a": odd}}), (bool, Failed))
    assert isinstance(expression.evaluate({}), Failed)


def test_a_nul_does_not_shorten_a_name() -> None:
    """Found by the property below: the library ends a text at its first NUL, so that one name would be another."""
    expression = NAMES.compile("claims.sub == 'admin'")
    for claims in ({"sub": "admin\0x"}, {"sub\0": "admin"}, {"sub": "admin", "o": [{"a": "\0"}]}):
        assert expression.holds({"claims": claims}) == Failed("a value has the character U+0000")


_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
)


@given(_JSON)
def test_json_comes_back_as_it_went_in(document: Any) -> None:
    """Any JSON a token may hold; integers beyond 64 bits are not CEL's."""
    back = NAMES.compile("claims.v").evaluate({"claims": {"v": document}})
    assert isinstance(back, Failed) or back == document or (isinstance(document, float) and math.isnan(document))
    small = all(abs(each) < 2**63 for each in _integers(document))
    assert not (isinstance(back, Failed) and small), json.dumps(document)


def _integers(document: Any) -> list[int]:
    if isinstance(document, (list, dict)):
        return [each for inner in (document.values() if isinstance(document, dict) else document) for each in _integers(inner)]
    return [document] if isinstance(document, int) else []


@given(st.text(max_size=80) | st.text("claims.sub[]()'\"+-!&|?:{}, 01\\", max_size=40))
def test_any_text_is_an_expression_or_is_refused(text: str) -> None:
    try:
        expression = NAMES.compile(text)
    except Unacceptable:
        return
    assert isinstance(expression, Expression)
    expression.evaluate({"claims": CLAIMS})


_TEN = "+".join(["{}"] * 10)
_BOMBS = [
    '"x"' + '.replace("x", "xxxxxxxxxx")' * 9 + ".size() > 0",
    '["xxxxxxxxxx"]' + f".map(a, {_TEN.format(*'a' * 10)})" * 9 + ".size() > 0",
    "[1,2,3,4,5,6,7,8,9,10]" + ".map(x, [x,x,x,x,x,x,x,x,x,x])" * 9 + ".size() > 0",
    "".join(f"cel.bind({new}, {_TEN.format(*old * 10)}, " for old, new in zip("uabcdefg", "abcdefgh", strict=True)).replace("u", '"xxxxx"')
    + "size(h) > 0"
    + ")" * 8,
    "identity.groups.join(identity.user).replace(identity.user, identity.user).size() > 0",
    '"%s%s%s%s".format([claims.a, claims.b, claims.c, claims.d])' + '.replace("a", identity.user)' * 2 + " == ''",
    '{"a": "xxxxxxxxxx"}["a"]' + '.replace("x", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxx")' * 5 + ".size() > 0",
    "identity.groups.exists(a, " * 20 + "true" + ")" * 20,
]


@pytest.mark.parametrize("text", _BOMBS)
def test_a_bomb_is_refused_when_it_is_compiled(text: str) -> None:
    """The last one was a bomb for the estimate itself: each loop within a loop was looked at three times over."""
    assert refusal(text).startswith("is an expression whose values could grow beyond all bounds")


@pytest.mark.parametrize(
    "text",
    [
        'identity.groups.filter(g, g.startsWith("team-")).map(g, g.substring(5)).join(",").contains("shop")',
        'identity.groups.map(g, "corp:" + g.lowerAscii()).exists(g, g == identity.user)',
        'cel.bind(parts, identity.user.split("@"), parts.size() == 2 && parts[1] == "corp.example")',
        'identity.user.replace("@", "-").replace(".", "-") == "alice-corp-example"',
        "identity.user.matches('^team-[a-z]{2,20}$') || matches('x', '') || claims.sub.matches(identity.user + '(')",
        "claims.groups.all(g, identity.groups.exists(h, g == h))",
        '"%s/%s".format([identity.user, claims.sub]) == "alice/alice"',
        "claims.?a.orValue({}).?b.orValue([]).size() > 3 ? claims.n > 1 : identity.user != ''",
    ],
)
def test_what_people_write_is_no_bomb(text: str) -> None:
    NAMES.compile(text, Kind.BOOLEAN)


@given(st.text('claims.sub[]()"+,', max_size=60))
def test_growth_reads_whatever_the_library_compiles(text: str) -> None:
    for whole in (text, f"[{text}].map(x, x + x)", f"cel.bind(y, {text}, [y, y])"):
        with contextlib.suppress(Unacceptable):
            NAMES.compile(whole)
