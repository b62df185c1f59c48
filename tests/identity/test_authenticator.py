"""Sources in order, and a token before a certificate."""

from __future__ import annotations

import pytest

from kgate.identity.authenticator import Authenticator, LeaversWanted
from kgate.identity.credentials import Credentials, Rejected
from kgate.model import Identity, Pending

ALICE, BOB, CAROL = Identity("alice"), Identity("bob"), Identity("carol")


class Fixed:
    """Knows one credential."""

    def __init__(self, known: object, answer: Identity | Rejected | Pending) -> None:
        self.known, self.answer = known, answer

    def authenticate(self, credentials: Credentials, now: float) -> Identity | Rejected | Pending | None:
        return self.answer if self.known in (credentials.bearer, credentials.certificate) else None


GATE = Authenticator([Fixed("a", ALICE), Fixed("bad", Rejected("expired")), Fixed("b", BOB), Fixed("a", BOB)], Fixed(b"c", CAROL))


@pytest.mark.parametrize(
    ("credentials", "answer"),
    [
        (Credentials("a"), "alice"),
        (Credentials("b"), "bob"),
        (Credentials("bad"), "expired"),
        (Credentials(certificate=b"c"), "carol"),
        (Credentials("a", b"c"), "alice"),
        (Credentials("bad", b"c"), "expired"),
        (Credentials("unknown", b"c"), "the token is not known to this gate"),
        (Credentials("", b"c"), "the token is not well formed"),
        (Credentials("a b"), "the token is not well formed"),
        (Credentials("a\n"), "the token is not well formed"),
        (Credentials("ä"), "the token is not well formed"),
        (Credentials("a" * 16_384), "the token is not known to this gate"),
        (Credentials("a" * 16_385), "the token is not well formed"),
        (Credentials(certificate=b"x"), "the request has no credentials"),
        (Credentials(), "the request has no credentials"),
    ],
)
def test_who(credentials: Credentials, answer: str) -> None:
    found = GATE.authenticate(credentials, 0.0)
    assert (found.user if isinstance(found, Identity) else found.text) == answer


def test_a_gate_without_sources_knows_nobody() -> None:
    for shown in (Credentials("a", b"c"), Credentials(None, b"c"), Credentials()):
        assert isinstance(Authenticator().authenticate(shown, 0.0), Rejected)


def test_nobody_is_let_in_before_who_is_out_was_read() -> None:
    asked: list[bool] = []

    def known() -> bool:
        asked.append(len(asked) == 1)
        return asked[-1]

    gate = Authenticator([Fixed("a", ALICE)], leavers_known=known)
    wanted = gate.authenticate(Credentials("a"), 0.0)
    assert isinstance(wanted, Pending) and isinstance(wanted.wanted, LeaversWanted)
    assert [gate.authenticate(Credentials("a"), 0.0) for _ in range(3)] == [ALICE] * 3
    assert asked == [False, True]  # once they are known, no request asks again


def test_a_source_that_must_look_something_up_is_waited_for() -> None:
    wanted = Pending("a key set")
    assert Authenticator([Fixed("a", wanted)]).authenticate(Credentials("a"), 0.0) is wanted


@pytest.mark.threat("26")
def test_no_rejection_repeats_the_credential() -> None:
    assert "topsecret" not in str(GATE.authenticate(Credentials("topsecret"), 0.0))


def test_a_credential_that_is_held_is_the_same_but_since_when() -> None:
    held = Credentials("a", b"c", "192.0.2.1").held(5.0)
    assert held == Credentials("a", b"c", "192.0.2.1", 5.0) != Credentials("a", b"c", "192.0.2.1")
    assert held.digest == Credentials("a").digest != Credentials("b").digest
