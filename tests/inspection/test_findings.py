"""What is said of a cluster by what was seen of it: one fact changed at a time."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from kgate.inspection.findings import Level, State, findings, lasts, state_of
from kgate.inspection.seen import Credential, Seen, Served, Trial, Unknown, Validity
from kgate.kube.access_review import Attributes
from kgate.kube.gate_rights import GIVEN, NEEDED, REVIEWS
from kgate.kube.rules_review import Listed, ListedRule
from kgate.kube.self_subject_review import UserInfo
from kgate.model import Impersonation

NOW = 1_800_000_000.0
DAY = 86400.0
SERVED = Served("CN=kube-apiserver", "CN=ca", ("localhost", "10.0.0.5"), Validity(NOW - DAY, NOW + 90 * DAY))
SOMEBODY = Impersonation("somebody", ("group",), "7", (("k", ("v",)),))
IMPERSONATOR = (ListedRule(("impersonate",), ("",), ("users", "groups")), ListedRule(("impersonate",), ("authentication.k8s.io",), ("*",)))
WELL = Seen(
    server="https://10.0.0.5:6443",
    credential=Credential.TOKEN_FILE,
    where="the token in /etc/kgate/token",
    server_name="10.0.0.5",
    addresses=("10.0.0.5",),
    reached=True,
    peer="10.0.0.5:6443",
    http2=True,
    certificate=SERVED,
    version="v1.37.2",
    clock=0.3,
    me=UserInfo("kgate", ("system:authenticated",)),
    validity=Validity(NOW - DAY, NOW + 365 * DAY),
    impersonates=dict.fromkeys(NEEDED, True),
    rules=(Listed((*GIVEN, *IMPERSONATOR)),),
    given=Listed(GIVEN),
    trial=Trial(SOMEBODY, UserInfo("somebody", ("group", "system:authenticated"), "7", (("k", ("v",)),))),
)


def said(seen: Seen, *, delegates: bool = False) -> list[str]:
    return [f"{each.level.value}: {each.text}; {each.hint}" for each in findings(seen, NOW, delegates=delegates)]


def test_of_a_cluster_that_is_well_there_is_nothing_to_say() -> None:
    assert said(WELL) == [] and state_of(WELL, ()) is State.WELL


def unreached(failure: str, **more: Any) -> Seen:
    return Seen(WELL.server, WELL.credential, WELL.where, server_name="10.0.0.5", failure=failure, **{"addresses": ("10.0.0.5",), **more})


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (unreached("connection refused"), ["10.0.0.5", "connection refused", "nothing listens there"]),
        (unreached("no connection within 5 s"), ["no connection within 5 s", "firewalls"]),
        (unreached("it does not speak TLS there"), ["check the port of its server"]),
        (unreached("", addresses=()), ["the name in https://10.0.0.5:6443 has no address", "DNS"]),
        (unreached("", late=3.0), ["no answer within 3 s"]),
        (unreached("the exec plugin aws ended with 1: no"), ["there is no credential for it", "ended with 1: no", "run the plugin by hand"]),
        (unreached("the token file /t cannot be read or is empty"), ["there is no credential for it", "put the cluster's token"]),
        (unreached("connection refused", proxy="http://p:3128"), ["through the proxy http://p:3128"]),
        (unreached("certificate verify failed: unable to get local issuer certificate", certificate=SERVED), ["signed by CN=ca", "certificate_authority"]),
        (unreached("certificate verify failed: self-signed certificate", certificate=None), ["self-signed certificate", "name the authority"]),
        (
            unreached("certificate verify failed: certificate has expired", certificate=evolve(SERVED, validity=Validity(NOW - DAY, NOW - 1))),
            ["it ended on 2027-01-15", "renew the API server's certificate"],
        ),
        (
            unreached("certificate verify failed: certificate is not yet valid", certificate=evolve(SERVED, validity=Validity(NOW + 9, NOW + DAY))),
            ["this machine's clock"],
        ),
        (
            unreached("certificate verify failed: IP address mismatch, certificate is not valid for '10.0.0.5'", certificate=SERVED),
            ["it is for localhost, 10.0.0.5, not for 10.0.0.5", "tls_server_name"],
        ),
    ],
)  # fmt: skip
def test_of_one_that_is_not_reached_there_is_one_thing_to_say(seen: Seen, words: list[str]) -> None:
    (only,) = said(seen)
    assert only.startswith("wrong: ") and [word for word in words if word not in only] == []
    assert state_of(seen, findings(seen, NOW, delegates=False)) is State.UNREACHABLE


def ends(seconds: float, begins: float = -365 * DAY) -> Validity:
    return Validity(NOW + begins, NOW + seconds)


LISTED = (Listed((*GIVEN, *IMPERSONATOR, ListedRule(("get", "list"), ("",), ("secrets",)))),)
REFUSED = Unknown(401, "Unauthorized")


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ({"unchecked": True}, Level.WARNING, ["nobody checks its certificate"]),
        ({"certificate": evolve(SERVED, validity=ends(13 * DAY))}, Level.WARNING, ["API server's certificate ends", "in 13 days"]),
        ({"http2": False}, Level.NOTE, ["no HTTP/2"]),
        ({"clock": 3600.0}, Level.WARNING, ["3600 s ahead of this machine's", "NTP"]),
        ({"clock": -61.0}, Level.WARNING, ["61 s behind"]),
        ({"me": UserInfo("system:anonymous")}, Level.WRONG, ["takes it for nobody", "put a new token there"]),
        ({"me": Unknown(404, "not found")}, Level.NOTE, ["1.28"]),
        ({"me": Unknown(0, "it did not answer: reset")}, Level.WRONG, ["did not answer: reset"]),
        ({"validity": ends(5 * 3600.0)}, Level.WARNING, ["the token in /etc/kgate/token", "in 5 hours"]),
        ({"validity": ends(-5.0)}, Level.WRONG, ["ended on"]),
        ({"validity": ends(5 * DAY), "credential": Credential.CERTIFICATE}, Level.WARNING, ["in 5 days", "authority for clients"]),
        ({"version": Unknown(403, "no")}, Level.NOTE, ["no (403)"]),
        ({"late": 15.0}, Level.WRONG, ["not done answering after 15 s", "--timeout"]),
        ({"impersonates": {**dict.fromkeys(NEEDED, True), "uids": Unknown(500, "oops")}}, Level.WRONG, ["oops (500)"]),
        ({"rules": LISTED}, Level.WARNING, ["can also get, list secrets", "impersonator.yaml"]),
        ({"feared": (Attributes("get", resource="secrets"),)}, Level.WARNING, ["can also get secrets"]),
        ({"rules": (Listed((*GIVEN, *REVIEWS)),)}, Level.NOTE, ["create tokenreviews.authentication.k8s.io", "identity.service_accounts"]),
        ({"rules": (Unknown(403, "no"),)}, Level.WARNING, ["does not list", "kubectl auth can-i --list"]),
        ({"rules": (Listed((), "webhook"),)}, Level.NOTE, ["not complete"]),
        ({"trial": Trial(SOMEBODY, Unknown(403, "may not"))}, Level.WRONG, ["in the name somebody", "may not (403)"]),
        ({"trial": Trial(SOMEBODY, UserInfo("kgate"))}, Level.WRONG, ["came back as kgate, its user, group, uid and extra lost"]),
        ({"trial": Trial(SOMEBODY, evolve(WELL.trial.answer, uid=""))}, Level.WRONG, ["its uid lost", "takes Impersonate-* headers away"]),  # type: ignore[union-attr]
    ],
)  # fmt: skip
def test_one_thing_that_is_not_as_it_should_be(change: dict[str, Any], level: Level, words: list[str]) -> None:
    seen = evolve(WELL, **change)
    (only,) = said(seen)
    assert only.startswith(f"{level.value}: ") and [word for word in words if word not in only] == []
    states = {Level.NOTE: State.WELL, Level.WARNING: State.WARNED, Level.WRONG: State.WRONG}
    assert state_of(seen, findings(seen, NOW, delegates=False)) is states[level]


def test_what_is_just_in_bounds_is_well() -> None:
    assert said(evolve(WELL, clock=-60.0, certificate=evolve(SERVED, validity=ends(14 * DAY)), validity=ends(14 * DAY))) == []


def test_a_token_that_is_good_for_an_hour_is_somebody_s_to_renew() -> None:
    assert said(evolve(WELL, validity=ends(1800.0, begins=-1800.0))) == []
    assert said(evolve(WELL, validity=ends(1800.0), credential=Credential.PLUGIN)) == []


def test_a_credential_that_is_refused_is_all_that_there_is_to_say() -> None:
    seen = evolve(WELL, version=REFUSED, me=REFUSED, impersonates={}, rules=(), given=None, trial=None)
    (only,) = said(seen)
    assert only.startswith("wrong: it refuses the gate's credential (the token in /etc/kgate/token)")


def test_reviews_are_what_service_accounts_need() -> None:
    assert said(evolve(WELL, rules=(Listed((*GIVEN, *REVIEWS)),)), delegates=True) == []


def test_who_reviews_tokens_there_has_to_be_able_to() -> None:
    assert said(evolve(WELL, reviews=True), delegates=True) == []
    assert said(evolve(WELL, reviews=False)) == []
    (only,) = said(evolve(WELL, reviews=False), delegates=True)
    assert only.startswith(
        "wrong: the gate may not create tokenreviews there, which identity.service_accounts needs; kubectl create clusterrolebinding "
    )
    assert "--clusterrole system:auth-delegator --user kgate" in only
    account = UserInfo("system:serviceaccount:gates:kgate", ("system:serviceaccounts",))
    (only,) = said(evolve(WELL, reviews=False, me=account), delegates=True)
    assert "--clusterrole system:auth-delegator --serviceaccount gates:kgate" in only
    (only,) = said(evolve(WELL, reviews=False, me=UserInfo("x; rm -r .")), delegates=True)
    assert only.endswith("--user 'x; rm -r .'"), "a cluster says the name, and somebody gives it to their shell"


def test_what_is_missing_is_told_with_the_lines_to_write_and_not_tried() -> None:
    trial = Trial(SOMEBODY, Unknown(403, "may not"))
    seen = evolve(WELL, impersonates={**dict.fromkeys(NEEDED, True), "groups": False, "uids": False}, rules=(Listed(GIVEN),), trial=trial)
    (only,) = findings(seen, NOW, delegates=False)
    assert only.text == "the gate may not impersonate groups and uids there" and "impersonator.yaml" in only.hint
    assert only.lines[0].startswith('- {apiGroups: [""], resources: [users, groups')


def test_a_star_behind_userextras_is_explained() -> None:
    rules = (ListedRule(("impersonate",), ("authentication.k8s.io",), ("uids", "userextras/*")),)
    (only,) = said(evolve(WELL, impersonates={**dict.fromkeys(NEEDED, True), "userextras": False}, rules=(Listed(rules),)))
    assert 'RBAC takes "userextras/*" for one name, not for all' in only


def test_some_names_are_a_note() -> None:
    rules = (ListedRule(("impersonate",), ("",), ("groups",), ("view", "edit")),)
    (only,) = said(evolve(WELL, impersonates={**dict.fromkeys(NEEDED, True), "groups": False}, rules=(Listed(rules),)))
    assert only.startswith("note: the gate may impersonate only some groups there")


def test_a_long_list_names_the_worst_and_counts_the_rest() -> None:
    many = tuple(ListedRule(("get",), ("example.com",), (f"kind{number:02}",)) for number in range(20))
    seen = evolve(WELL, rules=(Listed((*many, ListedRule(("list",), ("",), ("secrets",)))),))
    (only,) = said(seen)
    assert "can also list secrets; get kind00.example.com; " in only and "; and 13 more (-o json)" in only


@pytest.mark.parametrize(
    ("seconds", "text"), [(86400.0 * 2, "2 days"), (86400.0, "1 day"), (7200.0, "2 hours"), (3599.0, "59 min"), (-1.0, "0 min")]
)
def test_how_long(seconds: float, text: str) -> None:
    assert lasts(seconds) == text
