"""A lock fits where everything that it names fits, for as long as it lasts."""

from __future__ import annotations

import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgate.model import Device, Ground, Identity, Lock, Reason
from kgate.sessions.locks import Locks, fits, sentence

NOW = 1_800_000_000.0
ALICE = Identity("alice", ("developers", "on-call"), device=Device("lap-1"))
CI = Identity("ci-bot", ("ci",), robot="ci")


def on(lock: Lock, identity: Identity = ALICE, cluster: str = "prod", now: float = NOW) -> bool:
    return Locks([lock]).on(identity, cluster, now) is not None


@pytest.mark.parametrize(
    ("lock", "fitting"),
    [
        (Lock("l", user="alice"), True),
        (Lock("l", user="Alice"), True),
        (Lock("l", user="bob"), False),
        (Lock("l", group="on-call"), True),
        (Lock("l", group="sre"), False),
        (Lock("l", device="lap-1"), True),
        (Lock("l", device="lap-2"), False),
        (Lock("l", robot="ci"), False),
        (Lock("l", cluster="prod"), True),
        (Lock("l", cluster="dev"), False),
        (Lock("l", user="alice", cluster="prod"), True),
        (Lock("l", user="alice", cluster="dev"), False),
        (Lock("l", user="alice", device="lap-2"), False),
        (Lock("l", group="developers", device="lap-1", cluster="prod"), True),
    ],
    ids=str,
)
def test_all_that_it_names_has_to_fit(lock: Lock, fitting: bool) -> None:
    assert on(lock) is fitting


def test_a_program_is_named_by_its_token() -> None:
    assert on(Lock("l", robot="ci"), CI) and on(Lock("l", user="ci-bot"), CI) and not on(Lock("l", robot="other"), CI)


def test_it_counts_until_its_end() -> None:
    lock = Lock("l", user="alice", until=NOW + 60)
    assert on(lock, now=NOW + 59) and not on(lock, now=NOW + 60) and on(Lock("l", user="alice"), now=NOW + 1e9)


def test_the_gates_own_pages_are_in_no_cluster() -> None:
    assert on(Lock("l", user="alice"), cluster="") and not on(Lock("l", user="alice", cluster="prod"), cluster="")


def test_what_whoever_is_shut_out_reads_says_who_did_it_and_not_why() -> None:
    locks = Locks([Lock("incident-42", user="alice", reason="they took her laptop", by="bob")])
    assert locks.on(ALICE, "prod", NOW) == Reason(Ground.LOCK, text='lock "incident-42" on user alice, by bob')
    assert sentence(Lock("freeze", cluster="prod", by="bob")) == 'lock "freeze" on cluster prod, by bob'
    assert sentence(Lock("x", user="a", device="d", cluster="c", by="b")) == 'lock "x" on user a and device d in cluster c, by b'


NAMES = st.sampled_from(["", "a", "b"])
LOCKS = st.builds(
    Lock,
    st.sampled_from(["l1", "l2", "l3", "l4"]),
    st.sampled_from(["", "a", "A", "b"]),
    NAMES,
    NAMES,
    NAMES,
    NAMES,
    until=st.sampled_from([None, NOW, NOW + 1]),
).filter(lambda lock: any((lock.user, lock.group, lock.robot, lock.device, lock.cluster)))
PEOPLE = st.builds(
    Identity,
    st.sampled_from(["a", "A", "b", "c"]),
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=2).map(tuple),
    robot=NAMES,
    device=st.none() | st.builds(Device, st.sampled_from(["a", "b", "c"])),
)


def is_about(lock: Lock, who: Identity, cluster: str) -> bool:
    """The plain way."""
    named = {"user": lock.user.lower(), "robot": lock.robot, "device": lock.device, "cluster": lock.cluster}
    has = {"user": who.user.lower(), "robot": who.robot, "device": who.device.name if who.device else "", "cluster": cluster}
    return all(not value or has[kind] == value for kind, value in named.items()) and (not lock.group or lock.group in who.groups)


def by_name(locks: list[Lock]) -> dict[str, Lock]:
    return {lock.name: lock for lock in locks}


def why(locks: dict[str, Lock], who: Identity, cluster: str) -> Reason | None:
    """The first by name that is about them, one by one."""
    found = [each for name, each in sorted(locks.items()) if is_about(each, who, cluster) and (each.until is None or each.until > NOW)]
    return Reason(Ground.LOCK, text=sentence(found[0])) if found else None


@given(st.lists(LOCKS, max_size=6), PEOPLE, NAMES)
def test_many_are_found_as_one_by_one(locks: list[Lock], who: Identity, cluster: str) -> None:
    assert Locks(locks).on(who, cluster, NOW) == why(by_name(locks), who, cluster)
    assert all(fits(lock, who) is is_about(lock, who, cluster) for lock in locks if lock.cluster == cluster)


@given(
    st.lists(LOCKS, max_size=4),
    st.lists(st.tuples(st.sets(st.sampled_from(["l1", "l2", "l3", "l4"])), st.lists(LOCKS, max_size=3))),
    PEOPLE,
    NAMES,
)
def test_locks_that_come_and_go_are_as_those_that_are_there_at_once(
    first: list[Lock], then: list[tuple[set[str], list[Lock]]], who: Identity, cluster: str
) -> None:
    locks, plain = Locks(first), by_name(first)
    for names, each in then:
        locks.become(names, each, NOW)
        plain = {name: lock for name, lock in plain.items() if name not in names and (lock.until is None or lock.until > NOW)} | by_name(
            each
        )
        assert locks.on(who, cluster, NOW) == why(plain, who, cluster)
        assert locks.count == len(plain)


def test_a_thousand_of_one_group_in_other_clusters_cost_what_one_does() -> None:
    one = Locks([Lock("l", group="developers", cluster="c0")])
    many = Locks(Lock(f"l{number}", group="developers", cluster=f"c{number}") for number in range(1000))
    assert many.on(ALICE, "c7", NOW) is not None
    few = min(timeit.repeat(lambda: one.on(ALICE, "prod", NOW), number=200, repeat=5))
    assert (
        min(timeit.repeat(lambda: many.on(ALICE, "prod", NOW), number=200, repeat=5)) < few * 20
    )  # one by one it was four hundred times as much
