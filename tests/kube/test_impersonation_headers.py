"""In whose name: what goes upstream, and what ``kubectl --as`` asks for."""

from __future__ import annotations

import sys
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.identity.names import name_fault
from kgate.kube.impersonation import (
    ImpersonationRequest,
    extra_name,
    identity_headers,
    impersonation_error,
    impersonation_request,
)
from kgate.kube.refusal import Headers, Refusal
from kgate.model import Impersonation

GOOD = Impersonation("alice", ("developers",), "1", (("example.com/reason", ("on call",)),))


def test_a_plain_identity_may_be_sent() -> None:
    assert impersonation_error(GOOD) is None
    assert impersonation_error(Impersonation("François", ("über uns",))) is None
    wide = "山田\u3000太郎"
    assert identity_headers(Impersonation(wide), None) == ((b"impersonate-user", wide.encode()),)
    assert isinstance(impersonation_request([(b"impersonate-user", wide.encode())]), ImpersonationRequest)


def test_whoever_may_come_in_may_be_sent() -> None:
    """A name that only one of both takes would let somebody in whom every request is then denied."""
    written = [f"a{chr(code)}b" for code in range(sys.maxunicode + 1)]
    assert [name for name in written if (name_fault(name) is None) != (impersonation_error(Impersonation(name)) is None)] == []


@pytest.mark.threat("02")
def test_an_empty_user_would_be_the_gate_itself() -> None:
    assert impersonation_error(Impersonation("", ("developers",))) == "the user is empty"


@pytest.mark.threat("03")
@pytest.mark.parametrize(
    "character",
    ["\r", "\n", "\t", "\0", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x7f", "\x85", "\x9b", "\u2028", "\u2029", "\u202e", "\ud800"],
)
def test_no_value_may_hold_what_somebody_takes_for_an_end_of_line(character: str) -> None:
    bad = f"a{character}b"
    for broken in (
        Impersonation(bad),
        Impersonation("alice", ("developers", bad)),
        Impersonation("alice", uid=bad),
        Impersonation("alice", extra=(("key", (bad,)),)),
        Impersonation("alice", extra=((bad, ("value",)),)),
    ):
        assert str(impersonation_error(broken)).endswith("has a control character")


@pytest.mark.threat("03")
@pytest.mark.parametrize("value", [" a", "a ", "\u00a0a", "a\u3000"])
def test_no_value_may_have_white_space_that_a_reader_strips(value: str) -> None:
    assert str(impersonation_error(Impersonation(value))).endswith("white space at an end")
    assert impersonation_error(Impersonation("alice", ("",))) == "the group is empty"


def test_there_is_an_end_to_groups_extras_and_bytes() -> None:
    assert impersonation_error(Impersonation("alice", tuple(f"g{n}" for n in range(1000)))) is None  # as many as an issuer may say
    assert "more than 1000" in str(impersonation_error(Impersonation("alice", tuple(f"g{n}" for n in range(1001)))))
    assert "extra" in str(impersonation_error(Impersonation("alice", extra=(("k", ("a",) * 64), ("l", ("b",) * 65)))))
    assert impersonation_error(Impersonation("alice", extra=(("k", tuple("ab" * 32)), ("l", tuple("ab" * 32))))) is None
    groups = tuple(f"{n:0256d}" for n in range(255))
    assert impersonation_error(Impersonation("alice", groups, "u" * 246, (("ké", ("é",)),))) is None  # 64 KiB in all, as UTF-8 has them
    assert "bytes" in str(impersonation_error(Impersonation("alice", groups, "u" * 247, (("ké", ("é",)),))))


def test_each_group_has_a_line_of_its_own() -> None:
    lines = identity_headers(Impersonation("alice", ("a,b", "c")), None)
    assert lines == ((b"impersonate-user", b"alice"), (b"impersonate-group", b"a,b"), (b"impersonate-group", b"c"))


def test_the_name_of_an_extra_survives_both_http_versions() -> None:
    assert extra_name("scopes") == b"impersonate-extra-scopes"
    assert extra_name("authentication.kubernetes.io/pod-name") == b"impersonate-extra-authentication.kubernetes.io%2fpod-name"
    assert extra_name("Up_%") == b"impersonate-extra-%55p%5f%25"


PRINTABLE = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
"""What ``str.isprintable`` takes."""


@given(st.text(PRINTABLE, min_size=1, max_size=30).filter(lambda key: key == key.strip()))
@settings(max_examples=200)
def test_any_key_comes_back_as_the_api_server_decodes_it(key: str) -> None:
    name = extra_name(key).decode("ascii")
    assert name == name.lower() and unquote(name.removeprefix("impersonate-extra-")) == key


# --- kubectl --as


def test_no_impersonation_is_asked_for_by_an_ordinary_request() -> None:
    assert impersonation_request([(b"accept", b"*/*"), (b"x-impersonate-user", b"bob")]) is None


def test_kubectl_as_bob_in_two_groups() -> None:
    headers = [
        (b"accept", b"*/*"),
        (b"impersonate-user", b"bob"),
        (b"impersonate-group", b"sre"),
        (b"impersonate-group", b"a,b"),
        (b"impersonate-uid", b"7"),
        (b"impersonate-extra-example.com%2freason", b"on call"),
        (b"impersonate-extra-scopes", b"x"),
        (b"impersonate-extra-scopes", b"y"),
    ]
    extra = (("example.com/reason", ("on call",)), ("scopes", ("x", "y")))
    assert impersonation_request(headers) == ImpersonationRequest("bob", ("sre", "a,b"), "7", extra)


@pytest.mark.threat("02")
@pytest.mark.parametrize(
    "headers",
    [
        [(b"impersonate-user", b"")],
        [(b"impersonate-user", b"bob"), (b"impersonate-user", b"root")],
        [(b"impersonate-group", b"system:masters")],
        [(b"impersonate-uid", b"1")],
        [(b"impersonate-extra-scopes", b"x")],
        [(b"impersonate-user", b"bob"), (b"impersonate-group", b"")],
        [(b"impersonate-user", b"bob"), (b"impersonate-uid", b"1"), (b"impersonate-uid", b"2")],
        [(b"impersonate-user", b"bob"), (b"impersonate-extra-", b"x")],
        [(b"impersonate-user", b"bob"), (b"impersonate-extra-%zz", b"x")],
        [(b"impersonate-user", b"bob"), (b"impersonate-extra-%0a", b"x")],
        [(b"impersonate-user", b"bob"), (b"impersonate-extra-%ff", b"x")],
        [(b"impersonate-user", b"bob"), (b"impersonate-groups", b"x")],
        [(b"impersonate-user", b"b\xffb")],
        [(b"impersonate-user", b"bob\x0bx")],
        [(b"impersonate-user", b"bob"), *[(b"impersonate-group", b"%d" % n) for n in range(1001)]],
        [(b"impersonate-user", b"bob"), *[(b"impersonate-extra-k%d" % (n % 7), b"%d" % n) for n in range(129)]],
    ],
)
def test_half_or_doubtful_impersonations_are_refused(headers: Headers) -> None:
    refusal = impersonation_request(headers)
    assert isinstance(refusal, Refusal) and refusal.status == 400


def test_as_much_as_goes_upstream_may_be_asked_for() -> None:
    groups = [(b"impersonate-group", b"%d" % n) for n in range(1000)]
    extras = [(b"impersonate-extra-k%d" % (n % 7), b"%d" % n) for n in range(128)]
    asked = impersonation_request([(b"impersonate-user", b"bob"), *groups, *extras])
    assert isinstance(asked, ImpersonationRequest) and (len(asked.groups), sum(len(values) for _, values in asked.extra)) == (
        1000,
        128,
    )


NAMES = st.text(PRINTABLE, min_size=1, max_size=12).filter(lambda name: name == name.strip())


@given(NAMES, st.lists(NAMES, max_size=4), NAMES, st.dictionaries(NAMES, st.lists(NAMES, min_size=1, max_size=3), max_size=3))
@settings(max_examples=200)
def test_what_we_send_we_would_read_as_the_same(user: str, groups: list[str], uid: str, extra: dict[str, list[str]]) -> None:
    pairs = tuple(sorted((key, tuple(values)) for key, values in extra.items()))
    lines = list(identity_headers(Impersonation(user, tuple(groups), uid, pairs), None))
    assert impersonation_request(lines) == ImpersonationRequest(user, tuple(groups), uid, pairs)
