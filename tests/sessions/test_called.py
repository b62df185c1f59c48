"""A roll call finds what it is about, of what whoever asks may see."""

from __future__ import annotations

import pytest
from attrs import frozen

from kgate.model import Action, Cluster, Identity, RollCall
from kgate.sessions.roll_call import called

CALL = RollCall("bob", "https://idp", clusters=("prod", "dev"))


def of(user: str, cluster: str, *, follows: bool = True, started: float = 0.0, issuer: str = "https://idp") -> Live:
    action = Action(Cluster(cluster), "GET", "watch", "/api/v1/pods", "/api/v1/pods", follows=follows)
    return Live(f"{user}-{cluster}-{started:g}", Identity(user, issuer=issuer), action, started)


@frozen
class Live:
    """As much of a stream as is asked about."""

    id: str
    identity: Identity
    action: Action
    started: float


LIVE = [
    of("alice", "prod", started=1),
    of("alice", "lab", started=2),
    of("Alice", "dev", started=3),
    of("bob", "lab", started=4),
    of("bob", "lab", started=5, issuer="https://another"),
    of("carol", "prod", started=6, follows=False),
]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["bob-lab-4", "Alice-dev-3", "alice-prod-1"]),
        ({"everything": True}, ["carol-prod-6", "bob-lab-4", "Alice-dev-3", "alice-prod-1"]),
        ({"whose": "ALICE"}, ["Alice-dev-3", "alice-prod-1"]),
        ({"cluster": "prod"}, ["alice-prod-1"]),
        ({"cluster": "lab"}, ["bob-lab-4"]),
        ({"whose": "alice", "cluster": "dev"}, ["Alice-dev-3"]),
        ({"id": "alice-prod-1"}, ["alice-prod-1"]),
        ({"id": "alice-lab-2"}, []),
        ({"id": "bob-lab-5"}, []),
        ({"id": "carol-prod-6"}, ["carol-prod-6"]),
        ({"clusters": ()}, ["bob-lab-4"]),
        ({"clusters": (), "whose": "alice"}, []),
    ],
    ids=str,
)
def test_what_fits_and_may_be_seen(asked: dict[str, object], found: list[str]) -> None:
    parts = {"user": "bob", "issuer": "https://idp", "clusters": ("prod", "dev")} | asked
    assert [each.id for each in called(RollCall(**parts), LIVE)] == found  # type: ignore[arg-type]
