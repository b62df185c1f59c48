"""Static tokens: the file, and whose token it is."""

from __future__ import annotations

import hashlib

import pytest

from kgate.errors import InvalidFileError
from kgate.identity.credentials import Credentials, Rejected
from kgate.identity.robots import load_tokens
from kgate.identity.tokens import Tokens
from kgate.model import Identity

NOW = 1_790_000_000.0


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


FILE = f"""
robots:
  - name: ci
    sha256: {digest("ci-token")}
    user: ci-bot
    groups: [ci, deployers]
    expires: 2027-01-01T00:00:00Z
    networks: [10.0.0.0/8]
    clusters: [prod-*, "!prod-eu"]
  - {{name: old, sha256: {digest("old-token")}, user: old-bot, expires: 2026-01-01T00:00:00Z}}
  - {{name: free, sha256: {digest("free-token")}, user: alice}}
"""


@pytest.fixture
def tokens() -> Tokens:
    return load_tokens(FILE, "tokens.yaml")


def test_a_token_is_known_by_its_digest(tokens: Tokens) -> None:
    assert tokens.authenticate(Credentials("ci-token"), NOW) == Identity(
        "ci-bot",
        ("ci", "deployers"),
        issuer="tokens",
        expires=1798761600.0,
        robot="ci",
        networks=("10.0.0.0/8",),
        clusters=("prod-*", "!prod-eu"),
    )


@pytest.mark.parametrize("bearer", [None, "", "ci-token ", "CI-TOKEN", digest("ci-token"), "ci"])
def test_anything_else_is_not_this_sources(tokens: Tokens, bearer: str | None) -> None:
    assert tokens.authenticate(Credentials(bearer), NOW) is None


def test_expiry_counts_on_each_use(tokens: Tokens) -> None:
    assert isinstance(tokens.authenticate(Credentials("ci-token"), 1798761599.9), Identity)
    assert tokens.authenticate(Credentials("ci-token"), 1798761600.0) == Rejected("the token ci has expired", "ask for a new one")
    assert isinstance(tokens.authenticate(Credentials("old-token"), NOW), Rejected)


def test_a_token_that_never_expires_is_warned_of(tokens: Tokens) -> None:
    assert [str(each) for each in tokens.warnings] == ["tokens.yaml:11: the token free never expires (give it an expires)"]


def test_every_mistake_at_once() -> None:
    text = f"""\
robots:
  - {{name: a, sha256: XYZ, user: u}}
  - {{name: a, sha256: {digest("x")}, user: " u", groups: [g, g]}}
  - {{name: b, sha256: {digest("x")}, user: u, group: [g], expires: tomorrow, networks: [10.0.0.1/8]}}
  - {{name: c, token: secret}}
robot: []
"""
    with pytest.raises(InvalidFileError) as caught:
        load_tokens(text, "t.yaml")
    assert str(caught.value).splitlines() == [
        "t.yaml:2: robots[0].sha256: is not a SHA-256 digest (64 hex digits in lower case: printf %s TOKEN | sha256sum)",
        't.yaml:3: a second one of robots has the name "a", the first is on line 2 (change one)',
        "t.yaml:3: robots[1].user: has white space at an edge (write the name as clusters and people may see it)",
        f't.yaml:4: a second one of robots has the sha256 "{digest("x")}", the first is on line 3 (change one)',
        't.yaml:4: robots[2].expires: "tomorrow" is not an instant (write it as 2027-01-01T00:00:00Z, with Z or an offset)',
        't.yaml:4: robots[2].networks[0]: "10.0.0.1/8" has bits set after its prefix (did you mean 10.0.0.0/8?)',
        't.yaml:4: unknown key "group" in robots[2] (did you mean "groups"?)',
        't.yaml:5: "sha256" is missing in robots[3]',
        't.yaml:5: "user" is missing in robots[3]',
        't.yaml:5: unknown key "token" in robots[3] (known here: clusters, expires, groups, name, networks, sha256, user)',
        't.yaml:6: unknown key "robot" (did you mean "robots"?)',
    ]


@pytest.mark.parametrize("form", ["{}0", "0{}", "{} ", "sha256:{}", "{:.63}"])
def test_a_digest_is_written_in_one_way(form: str) -> None:
    with pytest.raises(InvalidFileError, match="is not a SHA-256 digest"):
        load_tokens(f"robots: [{{name: a, sha256: '{form.format(digest('x'))}', user: u}}]", "t.yaml")


def test_a_group_is_listed_once() -> None:
    with pytest.raises(InvalidFileError, match=r'groups: has "g" twice'):
        load_tokens(f"robots: [{{name: a, sha256: {digest('x')}, user: u, groups: [g, g]}}]", "t.yaml")


def test_a_file_without_tokens_lets_nobody_in() -> None:
    assert load_tokens("robots: []", "t.yaml").authenticate(Credentials("x"), NOW) is None
