"""Accounts that are disabled at a certified provider: its refused refresh is the notice, and live execs are cut by it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from certified_gate import Place, by_its_pages, certified_gate
from identity_provider import IdentityProvider
from lab.waiting import eventually
from live_exec import SWITCHED, live_exec
from raw_client import RawClient
from sign_in import Browser

MANY = 100
THREADS = 8
RECHECK = 5
PLAYS = 3
"""A busy machine may be late once; a gate that is slow is late each time."""
PROMISE = 1.0
CASTS = [[f"p{play}-{number}" for number in range(MANY)] for play in range(PLAYS)]
PEOPLE = {person: {"groups": ["developers"]} for cast in CASTS for person in cast}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, IdentityProvider]]:
    with certified_gate(tmp_path_factory.mktemp("refused"), people=PEOPLE, sign_in={"recheck": f"{RECHECK}s"}) as (place, idp):
        place.gate.cluster.answer = lambda connection, head: connection.send(SWITCHED)
        yield place, idp


def test_of_a_hundred_live_execs_ninety_nine_are_cut_within_a_second_of_their_refused_refresh(
    running: tuple[Place, IdentityProvider],
) -> None:
    place, idp = running
    for cast in CASTS:
        took = played(place, idp, cast)
        p50, p99 = took[MANY // 2 - 1], took[MANY * 99 // 100 - 1]
        print(f"refusal to cut of a live exec: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, of {MANY}")
        if p99 <= PROMISE:
            return
    raise AssertionError(f"none of {PLAYS} times were they cut within {PROMISE:g} s; the last: {took}")


def played(place: Place, idp: IdentityProvider, people: list[str]) -> list[float]:
    """All of them are disabled at once; how many seconds each one's live exec went on after the refusal, in order."""

    def signed_in(person: str) -> str:
        """Their gate token, from the kubeconfig that the gate's page gives."""
        browser = Browser()
        shown = by_its_pages(person)(browser, browser.open(f"{place.url}/login"))
        assert f"You are signed in as {person}" in shown.words, shown.words
        config = yaml.safe_load(browser.open(f"{place.url}/kubeconfig").text)
        return str(config["users"][0]["user"]["token"])

    def cut(client: RawClient) -> float:
        """When the person's client has read why."""
        client.tls.settimeout(60)
        said = client.until(b"does not stand by it any more")
        assert b'"status":"Failure"' in said, said
        return time.time()

    with ThreadPoolExecutor(THREADS) as threads:
        tokens = dict(zip(people, threads.map(signed_in, people), strict=True))
    execs = {person: live_exec(place.gate.gate, token) for person, token in tokens.items()}
    with ThreadPoolExecutor(MANY) as threads:
        ends = {person: threads.submit(cut, client) for person, client in execs.items()}
        idp.do(f"disable {' '.join(people)}")
        ended = {person: future.result() for person, future in ends.items()}
    refused = eventually("it has written all down", lambda: noted if (noted := idp.refusals()).keys() >= set(people) else {})
    for person, client in execs.items():
        client.tls.close()
        status, why = place.gate.ask(tokens[person])
        assert status == 401 and re.search(r"does not stand by it any more \(invalid_grant", why), why
    return sorted(ended[person] - refused[person] for person in people)
