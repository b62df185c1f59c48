"""Groups from several rosters: whose count, in which order, and that somebody who is out is out."""

from __future__ import annotations

import pytest
from attrs import define

from kgate.errors import InvalidFileError
from kgate.identity.authenticator import Authenticator
from kgate.identity.credentials import Credentials, Rejected
from kgate.identity.people import Credential, Merge, People
from kgate.identity.roster_file import load_roster
from kgate.model import Identity

ALICE = Identity("alice", ("staff", "developers"), issuer="https://idp.example.com")
FILE = load_roster("groups: [{name: sre, users: [alice, bob]}, {name: staff, users: [alice]}]", "groups.yaml")


@define
class Directory:
    """A roster that a test changes."""

    members: dict[str, tuple[str, ...]]
    out: frozenset[str] = frozenset()
    revision: int = 0
    name: str = "scim"

    def groups_of(self, user: str) -> tuple[str, ...] | None:
        return self.members.get(user)

    def is_out(self, user: str) -> bool:
        return user in self.out


def test_a_union_keeps_the_order_of_the_sources_and_says_where_each_group_came_from() -> None:
    found = People([Credential(), FILE]).resolve(ALICE)
    assert isinstance(found, Identity)
    assert found.groups == ("staff", "developers", "sre")
    assert found.group_sources == (("developers", "token"), ("sre", "file"), ("staff", "token"))
    assert People([FILE, Credential()]).resolve(ALICE) == Identity(
        "alice",
        ("sre", "staff", "developers"),
        issuer=ALICE.issuer,
        group_sources=(("developers", "token"), ("sre", "file"), ("staff", "file")),
    )


def test_sources_that_are_not_named_do_not_count() -> None:
    found = People([FILE]).resolve(ALICE)
    assert isinstance(found, Identity) and found.groups == ("sre", "staff")


@pytest.mark.parametrize(
    ("identity", "groups"),
    [
        (ALICE, ("staff", "developers")),  # the token knows her
        (Identity("bob"), ("sre",)),  # his has no groups, so the next one is asked
        (Identity("carol"), ()),  # nobody knows her
    ],
)
def test_first_believes_the_first_source_that_knows_the_person_and_no_other(identity: Identity, groups: tuple[str, ...]) -> None:
    found = People([Credential(), FILE], Merge.FIRST).resolve(identity)
    assert isinstance(found, Identity) and found.groups == groups


def test_a_person_who_is_out_is_rejected_whoever_issued_the_credential() -> None:
    directory = Directory({"alice": ("sre",)}, frozenset({"alice"}))
    answer = People([Credential(), directory], out=directory).resolve(ALICE)
    assert str(answer) == "alice is deactivated in the company's directory; ask whoever runs the directory"


def test_whoever_is_not_out_is_in_whether_a_directory_knows_the_person_or_not() -> None:
    directory = Directory({"alice": ("sre",)}, frozenset({"bob"}))
    people = People([Credential(), directory], out=directory)
    assert people.resolve(ALICE).groups == ("staff", "developers", "sre")  # type: ignore[union-attr]
    assert people.resolve(Identity("carol", ("x",))).groups == ("x",)  # type: ignore[union-attr]
    assert isinstance(people.resolve(Identity("bob", ("x",))), Rejected)
    directory.out, directory.revision = frozenset({"alice"}), 1
    assert isinstance(people.resolve(ALICE), Rejected)


def test_a_credential_without_groups_is_one_of_several_sources_all_the_same() -> None:
    bob = Identity("bob")
    for merge in Merge:
        assert People([Credential(), FILE], merge).resolve(bob).groups == ("sre",)  # type: ignore[union-attr]
    directory = Directory({"bob": ()})
    assert People([directory, FILE], Merge.FIRST).resolve(bob).groups == ()  # type: ignore[union-attr]


def test_so_many_people_are_remembered() -> None:
    asked: list[str] = []

    class Counting(Directory):
        def groups_of(self, user: str) -> tuple[str, ...] | None:
            asked.append(user)
            return ("x",)

    people = People([Counting({})])
    for number in range(8191):
        people.resolve(Identity(f"u{number}"))
    people.resolve(Identity("u0"))
    assert len(asked) == 8191
    people.resolve(Identity("one more"))
    people.resolve(Identity("u0"))  # what is full forgets all
    assert asked[8191:] == ["one more", "u0"]


def test_a_change_counts_at_once() -> None:
    directory = Directory({"alice": ("sre",)})
    people = People([directory])
    assert people.resolve(ALICE).groups == ("sre",)  # type: ignore[union-attr]
    directory.members, directory.revision = {"alice": ("auditors",)}, 1
    assert people.resolve(ALICE).groups == ("auditors",)  # type: ignore[union-attr]


def test_robots_are_what_their_token_says() -> None:
    robot = Identity("alice", ("ci",), robot="ci")
    assert People([FILE]).resolve(robot) is robot


def test_without_rosters_an_identity_is_what_its_source_made_it() -> None:
    assert People(()).resolve(ALICE) is ALICE


def test_too_many_groups_are_refused_and_not_cut() -> None:
    many = tuple(f"g{number}" for number in range(1001))
    assert isinstance(People([Directory({"alice": many[1:]})]).resolve(ALICE), Identity)
    answer = People([Directory({"alice": many})]).resolve(ALICE)
    assert isinstance(answer, Rejected) and "more than 1000 groups" in answer.text


class Known:
    """A source that knows alice."""

    def authenticate(self, credentials: Credentials, now: float) -> Identity | Rejected | None:
        return ALICE if credentials.bearer == "alice" else None


def test_the_authenticator_asks_the_rosters_about_whoever_it_knows() -> None:
    gate = Authenticator([Known()], people=People([Credential(), FILE]))
    assert gate.authenticate(Credentials("alice"), 0.0).groups == ("staff", "developers", "sre")  # type: ignore[union-attr]
    assert isinstance(gate.authenticate(Credentials("bob"), 0.0), Rejected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("groups: [{name: sre, users: [bob, bob]}]", 'has "bob" twice'),
        ("groups: [{name: sre, users: [bob]}, {name: sre, users: [eve]}]", 'the name "sre"'),
        ('groups: [{name: "a\\u2028b", users: [bob]}]', "U+2028"),
        ("groups: [{name: sre, members: [bob]}]", 'unknown key "members"'),
        ("people: []", 'unknown key "people"'),
    ],
)
def test_a_file_that_is_wrong_says_where(text: str, said: str) -> None:
    with pytest.raises(InvalidFileError) as caught:
        load_roster(text, "groups.yaml")
    assert said in str(caught.value) and "groups.yaml:1" in str(caught.value)
