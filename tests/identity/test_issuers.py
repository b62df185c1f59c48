"""Tokens of OpenID Connect issuers: who is let in, when keys are asked for, and how long what was fetched holds."""

from __future__ import annotations

import pytest
from issuer import NOW, URL, TestIssuer, make_key
from issuer_gate import PLAIN, configuration
from issuer_gate import IssuerGate as Gate

from kgate.errors import InvalidFileError
from kgate.identity.credentials import Rejected
from kgate.identity.issuer_configuration import load_authentication_configuration
from kgate.identity.issuers import Ends
from kgate.identity.jose import KeySet
from kgate.identity.key_ring import KeyRing, KeysWanted
from kgate.model import Identity


def test_a_token_names_its_holder() -> None:
    gate = Gate()
    token = gate.issuer.token(sid="s-1", acr="mfa", amr=["pwd", "otp"], auth_time=NOW - 5)
    assert gate.ask(token) == Identity(
        "alice",
        ("corp:sre",),
        issuer=URL,
        expires=NOW + 600,
        authenticated_at=NOW - 5,
        acr="mfa",
        amr=("pwd", "otp"),
        subject="alice",
        issuer_session="s-1",
        issued_at=NOW,
    )
    assert gate.fetched == [KeysWanted(URL)]


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"])
def test_every_algorithm_that_issuers_use(algorithm: str) -> None:
    gate = Gate()
    gate.issuer.keys = [make_key("k", algorithm)]
    assert isinstance(gate.ask(gate.issuer.token()), Identity)


def test_what_is_no_token_of_an_issuer_of_ours_is_left_to_others() -> None:
    gate = Gate()
    for token in ("opaque", "a.b", TestIssuer("https://other.example").token(), gate.issuer.sign(b'{"sub": "x"}')):
        assert gate.ask(token) is None
    assert gate.fetched == []


def test_a_verification_is_remembered_and_its_expiry_is_not() -> None:
    gate = Gate()
    token = gate.issuer.token()
    first = gate.ask(token)
    assert gate.ask(token) is first
    gate.passes(599)
    assert gate.ask(token) is first
    gate.passes(1)
    assert gate.ask(token) == Rejected("the token has expired", "sign in again")


def test_when_tokens_end_is_remembered_for_so_many_the_newest_ones() -> None:
    """As it was when each was first seen: a clock that is set back makes none younger (class 28)."""
    ends = Ends()
    assert ends.of(b"first", 100.0) == 100.0
    assert ends.of(b"first", 200.0) == 100.0
    assert ends.of(b"first", 50.0) == ends.of(b"first", 60.0) == 50.0
    for number in range(65_535):
        ends.of(b"%d" % number, 1.0)
    assert ends.of(b"first", 70.0) == 50.0
    ends.of(b"one more", 1.0)
    assert ends.of(b"0", 9.0) == 9.0  # it was the one that nobody had asked about for longest
    assert ends.of(b"first", 70.0) == 50.0


def test_rotation_fails_no_request() -> None:
    gate = Gate()
    assert isinstance(gate.ask(gate.issuer.token()), Identity)
    for number in range(20):
        gate.issuer.rotate(f"k{number}")
        gate.passes(10)
        assert isinstance(gate.ask(gate.issuer.token(gate.now)), Identity)
    assert len(gate.fetched) == 21


def test_a_key_that_the_issuer_withdrew_verifies_nothing_more() -> None:
    gate = Gate()
    token = gate.issuer.token()
    gate.ask(token)
    gate.issuer.rotate("two", keep=False)
    gate.passes(299)
    assert not gate.ring.due(gate.monotonic)
    gate.passes(1)
    assert gate.ring.due(gate.monotonic)
    gate.fetch(KeysWanted(URL))
    assert gate.ask(token) == Rejected(f"the token is signed by a key that {URL} does not publish", "sign in again")


def test_the_same_keys_again_forget_nothing() -> None:
    gate = Gate()
    token = gate.issuer.token()
    first = gate.ask(token)
    gate.fetch(KeysWanted(URL))
    assert gate.ask(token) is first


def test_an_issuer_that_is_down_leaves_its_keys_in_force_for_a_while() -> None:
    gate = Gate()
    assert isinstance(gate.ask(gate.issuer.token()), Identity)
    gate.down = True
    gate.passes(300)
    gate.fetch(KeysWanted(URL))
    assert gate.ring.words(gate.monotonic) == "it cannot be reached; its last keys hold for 355 min more"
    gate.passes(6 * 3600 - 300 - 1)
    assert isinstance(gate.ask(gate.issuer.token(gate.now)), Identity)
    gate.passes(1)
    refused = gate.ask(gate.issuer.token(gate.now))
    assert isinstance(refused, Rejected)
    assert refused.text == f"the keys of {URL} cannot be had"
    assert gate.ring.words(gate.monotonic) == "it cannot be reached; its tokens are refused"
    gate.down = False
    gate.passes(10)
    assert isinstance(gate.ask(gate.issuer.token(gate.now)), Identity)
    assert gate.ring.words(gate.monotonic) is None


def test_kubernetes_documented_file_is_taken_over_unchanged() -> None:
    text = """\
apiVersion: apiserver.config.k8s.io/v1beta1
kind: AuthenticationConfiguration
anonymous: {enabled: false}
jwt:
- issuer:
    url: https://idp.example
    audiences: [kgate, other]
    audienceMatchPolicy: MatchAny
    egressSelectorType: cluster
  claimValidationRules:
  - claim: hd
    requiredValue: example.com
  - expression: 'claims.?email_verified.orValue(true) == true'
    message: the e-mail address is not verified
  - expression: 'claims.exp - claims.iat <= 86400'
    message: total token lifetime must not exceed 24 hours
  claimMappings:
    username: {expression: 'claims.email.split("@")[0] + ":external-user"'}
    groups: {expression: 'claims.roles.split(",")'}
    uid: {expression: 'claims.sub'}
    extra:
    - {key: example.com/tenant, valueExpression: claims.tenant}
    - {key: example.com/none, valueExpression: 'claims.?none.orValue([])'}
  userValidationRules:
  - expression: "!user.username.startsWith('system:')"
    message: 'username cannot used reserved system: prefix'
  - expression: "user.groups.all(group, !group.startsWith('system:'))"
    message: 'groups cannot used reserved system: prefix'
"""
    gate = Gate(file=text)
    claims = {"hd": "example.com", "email": "alice@example.com", "roles": "sre,dev", "tenant": "t1"}
    found = gate.ask(gate.issuer.token(**claims))
    assert isinstance(found, Identity)
    assert (found.user, found.groups, found.uid) == ("alice:external-user", ("sre", "dev"), "alice")
    assert found.extra == (("example.com/tenant", ("t1",)),)

    def said(**changed: object) -> str:
        refused = gate.ask(gate.issuer.token(**{**claims, **changed}))
        assert isinstance(refused, Rejected)
        return refused.text

    assert said(hd="other.com") == 'the token does not have the value that this gate asks of its claim "hd"'
    assert said(email_verified=False) == "the token is not accepted: the e-mail address is not verified"
    assert said(exp=NOW + 90000) == "the token is not accepted: total token lifetime must not exceed 24 hours"
    assert said(roles="sre,system:masters") == "the token is not accepted: groups cannot used reserved system: prefix"
    assert said(tenant=None) == 'the token gives no example.com/tenant by claims.tenant: Key not found in map : "tenant"'
    assert said(roles=7).startswith('the token gives no groups by claims.roles.split(","): No matching overloads')


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"sub": None}, 'has no text in its claim "sub", which is to be the user name'),
        ({"sub": 7}, "'s sub is no text"),
        ({"sub": "a\r\nb"}, "cannot be used: the user name has the character U+000D, which cannot be shown"),
        ({"sub": "system:admin"}, "names a user of the cluster's own (system:…)"),
        ({"sub": "device:kiosk"}, "names a machine (device:…), which only its own certificate does"),
        ({"groups": {"a": 1}}, 'has something else than names in its claim "groups"'),
        ({"groups": ["a", 1]}, 'has something else than names in its claim "groups"'),
        ({"groups": ["a\x85b"]}, "cannot be used: the name of a group has the character U+0085, which cannot be shown"),
        ({"groups": [f"g{n}" for n in range(1001)]}, "cannot be used: there are more than 1000 groups"),
        ({"exp": None}, "does not say when it expires"),
        ({"exp": "soon"}, "does not say when it expires"),
        ({"exp": 253402300800}, "does not say when it expires"),  # the year 10000, which no record could state
        ({"nbf": "now"}, "'s nbf is no time"),
        ({"iat": [NOW]}, "'s iat is no time"),
        ({"events": {}}, "is of a kind that lets nobody in"),
        ({"cnf": {}}, "is of a kind that lets nobody in"),
        ({"typ": "Refresh"}, "is of a kind that lets nobody in"),
        ({"typ": "Offline"}, "is of a kind that lets nobody in"),
        ({"typ": "Logout"}, "is of a kind that lets nobody in"),
        ({"nbf": NOW + 61}, "is not valid yet"),
        ({"iat": NOW + 61}, "is not valid yet"),
        ({"aud": "other"}, "is for somebody else than this gate"),
        ({"aud": []}, "is for somebody else than this gate"),
        ({"aud": None}, "is for somebody else than this gate"),
    ],
)
def test_what_a_token_may_lack(claims: dict[str, object], said: str) -> None:
    gate = Gate()
    refused = gate.ask(gate.issuer.token(**claims))
    assert isinstance(refused, Rejected)
    assert refused.text.removeprefix("the token").lstrip() == said


@pytest.mark.threat("20")
def test_how_an_access_or_id_token_may_call_itself() -> None:
    gate = Gate()
    for typ in ("", "JWT", "at+jwt", "AT+JWT", "application/at+jwt"):
        assert isinstance(gate.ask(gate.issuer.sign(gate.issuer.claims(), typ=typ)), Identity)
    for typ in ("logout+jwt", "secevent+jwt", "kgate+jwt", "x"):
        assert isinstance(gate.ask(gate.issuer.sign(gate.issuer.claims(), typ=typ)), Rejected)


def test_no_groups_are_no_fault() -> None:
    gate = Gate()
    for groups, expected in ((None, ()), ("one", ("corp:one",)), ([], ())):
        found = gate.ask(gate.issuer.token(groups=groups))
        assert isinstance(found, Identity)
        assert found.groups == expected


def test_an_issuers_clock_may_be_a_minute_ahead() -> None:
    for name in ("nbf", "iat"):
        gate = Gate()
        assert isinstance(gate.ask(gate.issuer.token(**{name: NOW + 60})), Identity)


def test_what_informs_counts_where_it_can_be_shown() -> None:
    """A claim that is no usable text is as good as none; the token is not refused for it."""
    gate = Gate()
    found = gate.ask(gate.issuer.token(acr="mfa", sid="s1", amr=["pwd", 7, None, "otp"], auth_time=NOW - 5))
    assert isinstance(found, Identity)
    assert (found.acr, found.issuer_session, found.amr, found.authenticated_at) == ("mfa", "s1", ("pwd", "otp"), NOW - 5)
    found = gate.ask(gate.issuer.token(acr="m\nfa", sid=7, amr="pwd", auth_time="now"))
    assert isinstance(found, Identity)
    assert (found.acr, found.issuer_session, found.amr, found.authenticated_at) == ("", "", (), None)


@pytest.mark.parametrize(("verified", "kept"), [(True, "alice@example.com"), (False, ""), (None, ""), ("true", "")])
def test_an_address_is_somebodys_where_the_issuer_says_that_it_verified_it(verified: object, kept: str) -> None:
    """Elsewhere people write what they like into it, and what is said of the other's sign-in would be said of theirs."""
    gate = Gate()
    found = [gate.ask(gate.issuer.token(**claims)) for claims in ({}, {"email": "Alice@Example.com", "email_verified": verified})]
    assert [each.email if isinstance(each, Identity) else None for each in found] == ["", kept]


@pytest.mark.parametrize(
    ("uid", "said"),
    [
        ({"claim": "oid"}, 'has no text in its claim "oid", which is to be the uid'),
        ({"expression": "claims.groups"}, "gives no uid by claims.groups: it gives no text"),
        ({"expression": "claims.oid"}, 'gives no uid by claims.oid: Key not found in map : "oid"'),
    ],
)
def test_a_uid_that_is_asked_for_has_to_be_there(uid: dict[str, str], said: str) -> None:
    gate = Gate(file=configuration({**PLAIN, "claimMappings": {**PLAIN["claimMappings"], "uid": uid}}))
    refused = gate.ask(gate.issuer.token())
    assert isinstance(refused, Rejected) and refused.text == f"the token {said}"


def test_so_many_values_of_one_extra_and_each_a_name() -> None:
    extra = [{"key": "example.com/teams", "valueExpression": "claims.teams"}]
    gate = Gate(file=configuration({**PLAIN, "claimMappings": {**PLAIN["claimMappings"], "extra": extra}}))
    found = gate.ask(gate.issuer.token(teams=[f"t{number}" for number in range(64)]))
    assert isinstance(found, Identity) and len(found.extra[0][1]) == 64
    for teams, said in (
        ([f"t{number}" for number in range(65)], "is one of too many"),
        (["a", "b\n"], "has white space at an edge"),
    ):
        refused = gate.ask(gate.issuer.token(teams=teams))
        assert isinstance(refused, Rejected)
        assert refused.text == f"the token cannot be used: a value of example.com/teams {said}"
    for nothing in (None, "", [], [""]):
        none = gate.ask(
            gate.issuer.token(teams=nothing) if nothing is not None else gate.issuer.sign(gate.issuer.claims() | {"teams": None})
        )
        assert isinstance(none, Identity) and none.extra == ()


def test_rules_on_the_user_see_all_that_the_claims_made_of_it() -> None:
    rules = [
        {"expression": "user.username != 'bob' && user.uid == 'u-1' && user.groups == ['corp:sre'] && user.extra['example.com/t'] == ['x']"}
    ]
    mappings = {
        **PLAIN["claimMappings"],
        "uid": {"claim": "oid"},
        "extra": [{"key": "example.com/t", "valueExpression": "claims.t"}],
    }
    gate = Gate(file=configuration({**PLAIN, "claimMappings": mappings, "userValidationRules": rules}))
    assert isinstance(gate.ask(gate.issuer.token(oid="u-1", t="x")), Identity)
    for changed in ({"sub": "bob"}, {"oid": "u-2"}, {"groups": []}, {"t": "y"}):
        refused = gate.ask(gate.issuer.token(**({"oid": "u-1", "t": "x"} | changed)))
        assert isinstance(refused, Rejected) and refused.text.startswith(
            "the token is not accepted: its user does not fulfil user.username"
        )


def test_a_subject_that_is_no_text_is_nobodys_whatever_the_name_comes_from() -> None:
    """As the API server has it (found by holding 1,200 tokens against Kubernetes 1.37.2)."""
    gate = Gate(file=configuration({**PLAIN, "claimMappings": {"username": {"claim": "email", "prefix": ""}}}))
    for sub in (7, True, ["alice"], {"a": 1}):
        assert isinstance(gate.ask(gate.issuer.token(sub=sub, email="a@x")), Rejected)


def test_an_unverified_address_is_no_name() -> None:
    mapping = {**PLAIN, "claimMappings": {"username": {"claim": "email", "prefix": ""}}}
    gate = Gate(file=configuration(mapping))
    assert isinstance(gate.ask(gate.issuer.token(email="a@x", email_verified=True)), Identity)
    assert isinstance(gate.ask(gate.issuer.token(email="a@x")), Identity)
    for verified in (False, "true", None.__class__.__name__):
        assert isinstance(gate.ask(gate.issuer.token(email="a@x", email_verified=verified)), Rejected)


def mistakes(*issuers: object) -> list[str]:
    with pytest.raises(InvalidFileError) as caught:
        load_authentication_configuration(configuration(*issuers), "auth.yaml")
    return [str(each) for each in caught.value.mistakes]


def test_every_mistake_of_a_file_at_once() -> None:
    found = mistakes(
        {"issuer": {"url": "http://idp.example", "audiences": []}, "claimMappings": {"username": {"claim": "sub"}}},
        {
            "issuer": {"url": URL, "audiences": ["a", "b"], "discoveryURL": URL, "certificateAuthority": "no"},
            "claimMappings": {"username": {"expression": "claims.email"}, "groups": {"expression": "claims.x +"}},
            "claimValidationRules": [{"claim": "a", "message": "m"}, {"expression": "1"}],
        },
        {**PLAIN, "claimMappings": {"username": {"claim": "sub", "expression": "claims.sub", "prefix": ""}, "extra": [{"key": "A", "valueExpression": "1"}]}},
        {**PLAIN, "userValidationRules": [{"expression": "usr.username"}]},
    )  # fmt: skip
    text = "\n".join(found)
    for part in (
        '"http://idp.example" is not the URL of an issuer',
        'jwt[0].claimMappings.username: needs a prefix beside claim (write prefix: "" for none)',
        "certificateAuthority: is not PEM text",
        "groups.expression: is not an expression: Syntax error",
        "claimValidationRules[0].message: goes only with expression",
        "claimValidationRules[1].expression: gives int, not true or false",
        "says not exactly one thing (name one of claim and expression)",
        '"A" is not a key for extra',
        'has the unknown name "usr.username"',
    ):
        assert part in text
    assert all(each.startswith("auth.yaml:") and each.split(":")[1].isdigit() for each in found)


def test_an_unverified_address_in_an_expression_is_a_mistake_of_the_file() -> None:
    username = {"username": {"expression": "claims.email"}}
    assert "uses claims.email, and nothing looks at claims.email_verified" in mistakes({**PLAIN, "claimMappings": username})[0]
    rule = {"expression": "claims.email_verified == true"}
    load_authentication_configuration(configuration({**PLAIN, "claimMappings": username, "claimValidationRules": [rule]}), "f")


def test_an_issuer_twice_is_a_mistake() -> None:
    assert mistakes(PLAIN, PLAIN) == [f"auth.yaml:4: the issuer {URL} stands here twice (keep one)"]


def test_looking_is_rationed() -> None:
    ring = KeyRing(URL)
    ring.learned(KeySet(()), b"", "", 1000.0)
    assert [ring.may_look(f"k{n}", 1000.0) for n in range(8)] == [True] * 5 + [False] * 3
    assert not ring.may_look("k9", 1009.9)
    assert ring.may_look("k9", 1010.0)
    assert not ring.may_look("k10", 1010.0)
    assert ring.may_look("k9", 1010.0)  # it is under way: who waits too costs nothing


def test_without_keys_one_look_is_for_everybody() -> None:
    ring = KeyRing(URL)
    assert all(ring.may_look(f"k{number}", 1000.0) for number in range(1000))
    ring.learned(KeySet(()), b"", "", 1000.5)
    assert ring.lacks("k7", 1001.0) and not ring.may_look("k7", 1001.0)
    ring.failed("no answer")
    assert ring.may_look("another", 1001.0)


def test_a_ration_that_nobody_used_does_not_grow() -> None:
    ring = KeyRing(URL)
    ring.learned(KeySet(()), b"", "", 1000.0)
    assert sum(ring.may_look(f"k{number}", 20_000.0) for number in range(50)) == 5


def test_a_key_that_was_not_there_is_looked_for_again_after_ten_seconds() -> None:
    ring = KeyRing(URL)
    ring.learned(KeySet(()), b"", "gone", 1000.0)
    assert not ring.may_look("gone", 1009.9)
    assert ring.may_look("gone", 1010.0)


def test_so_many_absent_keys_are_remembered() -> None:
    """Each is somebody's invention; the ration bounds what the next ones cost."""
    ring = KeyRing(URL)
    assert all(ring.may_look(f"k{number}", 1000.0) for number in range(300))
    ring.learned(KeySet(()), b"", "", 1000.5)
    assert [ring.lacks(f"k{number}", 1001.0) for number in (0, 254, 255, 299)] == [True, True, False, False]


def test_an_issuer_that_fails_is_asked_again_soon_but_not_at_once() -> None:
    ring = KeyRing(URL)
    ring.learned(KeySet(()), b"", "", 1000.0)
    ring.began(1300.0)
    ring.failed("no answer")
    assert not ring.may_look("new", 1309.9) and ring.may_look("new", 1310.0)
    assert not ring.due(1314.9) and ring.due(1315.0)


def test_a_look_that_brings_nothing_for_ten_seconds_is_over() -> None:
    ring = KeyRing(URL)
    ring.learned(KeySet(()), b"", "", 1000.0)
    assert all(ring.may_look(f"k{number}", 1000.0) for number in range(5))
    assert all(ring.may_look(f"k{number}", 1009.9) for number in range(5))
    assert [ring.may_look(f"k{number}", 1010.0) for number in range(5)] == [True] + [False] * 4  # one more in ten seconds
