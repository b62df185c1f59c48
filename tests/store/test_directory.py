"""The directory in the store: a SCIM storage by the library's own contract, and the roster that is made of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from scim2_models import EnterpriseUser, Group, InvalidValueException, Resource, ScimProvider, SearchRequest, TooManyException, User
from scim2_server.storage import ScimStorage
from scim2_server.testing import ScimStorageContract
from sqlalchemy import Connection, Engine, select

from kgate.identity.directory import Directory, KnownAs, Listed
from kgate.store.changes import latest, since
from kgate.store.directory import EVERYBODY, MANY, Entry, deactivated_since, entries, listed, names_out
from kgate.store.scim import PROVIDER, DirectoryStorage


class TestTheStorage(ScimStorageContract):
    @pytest.fixture
    def provider(self) -> ScimProvider:
        return PROVIDER

    @pytest.fixture
    def storage(self, engine: Engine) -> Iterator[ScimStorage]:
        with engine.begin() as connection:
            yield storage(connection)


USERS, GROUPS = PROVIDER.resource_types


def storage(engine_connection: Connection, now: float = 1.0) -> DirectoryStorage:
    ids = itertools.count(1)
    return DirectoryStorage(engine_connection, now, lambda: f"{now}-{next(ids)}")


def roster(connection: Connection, known_as: KnownAs = KnownAs.USER_NAME) -> Directory:
    """As a gate has it that starts now."""
    made = Directory()
    made.replace(listed(connection, known_as))
    return made


def test_people_are_listed_by_the_name_that_the_gate_knows_them_by(engine: Engine) -> None:
    with engine.begin() as connection:
        directory = storage(connection)
        emails = [User.Emails(value="a@example.com", primary=False), User.Emails(value="alice@example.com", primary=True)]
        alice = directory.create(USERS, User[EnterpriseUser](user_name="alice", external_id="a1", emails=emails))
        bob = directory.create(USERS, User[EnterpriseUser](user_name="bob", active=False))
        both = [Group.Members(value=alice.id), Group.Members(value=bob.id)]  # type: ignore[call-arg]
        directory.create(GROUPS, Group(display_name="sre", members=both))  # type: ignore[arg-type]
        assert set(listed(connection, KnownAs.USER_NAME).values()) == {Listed("alice", True, ("sre",)), Listed("bob", False)}
        assert set(listed(connection, KnownAs.EXTERNAL_ID).values()) == {Listed("a1", True, ("sre",)), Listed("", False)}
        assert listed(connection, KnownAs.EMAIL, [alice.id]) == {alice.id: Listed("alice@example.com", True, ("sre",))}


def test_every_gate_hears_who_changed_and_of_a_change_for_many_that_anybody_may_have(engine: Engine) -> None:
    with engine.begin() as connection:
        directory = storage(connection)
        people = [directory.create(USERS, User[EnterpriseUser](user_name=f"u{number}")) for number in range(MANY + 2)]
        begin = latest(connection)
        few = Group(display_name="few", members=[Group.Members(value=people[0].id)])  # type: ignore[call-arg, list-item]
        group = directory.create(GROUPS, few)
        assert [change.key for change in since(connection, begin).changes] == [people[0].id]
        group.members = [Group.Members(value=each.id) for each in people]  # type: ignore[call-arg, misc]
        begin = latest(connection)
        directory.update(GROUPS, group)
        assert {change.key for change in since(connection, begin).changes} == {people[0].id, EVERYBODY}


def test_a_password_is_not_kept(engine: Engine) -> None:
    with engine.begin() as connection:
        storage(connection).create(USERS, User[EnterpriseUser](user_name="alice", password="hunter2"))
        assert "hunter2" not in str(connection.execute(select(entries)).all())


@pytest.mark.parametrize("text", ["a" * 1025, "a\0b"])
def test_what_no_column_takes_is_an_invalid_value_and_no_fault_of_the_stores(engine: Engine, text: str) -> None:
    """A directory sends again what was answered 503, for ever, and nothing of what comes behind it."""
    with engine.begin() as connection:
        directory = storage(connection)
        grown = "\u0390" * 400  # without its case it is three times as long
        for made in ({"user_name": text}, {"user_name": grown}, {"user_name": "a", "external_id": text}):
            with pytest.raises(InvalidValueException):
                directory.create(USERS, User[EnterpriseUser](**made))
        for member in ({"value": text}, {"value": "u1", "display": text}):
            with pytest.raises(InvalidValueException):
                directory.create(GROUPS, Group(display_name="sre", members=[Group.Members(**member)]))
        assert listed(connection, KnownAs.USER_NAME) == {}


class Counting(DirectoryStorage):
    """How many documents were made of what the database has: each takes a fraction of a millisecond, in which the gate does nothing else."""

    made = 0

    def _document(self, entry: Entry, *, members: bool = True) -> Resource[Any]:
        self.made += 1
        return super()._document(entry, members=members)


@pytest.mark.parametrize(
    ("asked", "total", "names"),
    [
        ({"count": 3, "startIndex": 5}, 30, ["u04", "u05", "u06"]),
        ({"count": 3, "startIndex": 29}, 30, ["u28", "u29"]),
        ({"count": 0}, 30, []),
        ({"filter": 'emails.value eq "U07@example.com"'}, 1, ["u07"]),
        ({"filter": 'emails[type eq "work" and value eq "u08@example.com"]'}, 1, ["u08"]),
        ({"filter": "active eq true", "count": 2}, 28, ["u01", "u02"]),
        ({"filter": 'active eq "False"'}, 1, ["u29"]),
        ({"filter": 'displayName eq "Person u1_" or displayName eq "x"', "count": 0}, 0, None),
        ({"filter": 'displayName eq "PERSON u11"'}, 1, ["u11"]),
        ({"filter": 'userName co "U1"'}, 10, [f"u{number}" for number in range(10, 20)]),
        ({"filter": 'userName sw "u2" or emails[value ew "07@EXAMPLE.com"]'}, 11, ["u07", *(f"u{number}" for number in range(20, 30))]),
        ({"filter": 'userName eq "u01" or externalId eq "x2" and active eq true'}, 2, ["u01", "u02"]),
        ({"filter": 'displayName co "son u1_"'}, 0, []),
        ({"filter": 'externalId eq "x12" and active eq true', "startIndex": 2}, 1, []),
        ({"filter": 'active eq true and emails.value eq "u_9@example.com"'}, 0, []),
        ({"filter": 'userName eq "U09" and active eq true'}, 1, ["u09"]),
        ({"filter": 'userName eq "nobody" and externalId eq "\\u0000"'}, 0, []),
    ],
)
def test_whoever_looks_for_few_reads_few(engine: Engine, asked: dict[str, Any], total: int, names: list[str] | None) -> None:
    """Okta pages through everybody, Microsoft Entra may be told to find people by their address."""
    with engine.begin() as connection:
        ids = itertools.count()
        directory = Counting(connection, 1.0, lambda: f"id-{next(ids):02}")
        for number in range(30):
            emails = [User.Emails(value=f"u{number:02}@example.com", type="work")]
            name, active = f"u{number:02}", None if number == 0 else number < 29
            made = User[EnterpriseUser](
                user_name=name, emails=emails, active=active, display_name=f"Person {name}", external_id=f"x{number}"
            )
            directory.create(USERS, made)
        directory.delete(USERS, directory.create(USERS, User[EnterpriseUser](user_name="gone")).id or "")
        directory.made = 0
        request = SearchRequest[User[EnterpriseUser]].model_validate(asked)
        page = directory.search([USERS], request)
        assert page.total == total
        if names is not None:
            assert [getattr(each, "user_name", "") for each in page.resources] == names
            assert directory.made == len(names)


def test_an_answer_for_which_very_many_would_have_to_be_looked_at_is_refused(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """20,000 people took half a minute, in which the gate does little else. RFC 7644 section 3.12 has a word for it."""
    monkeypatch.setattr("kgate.store.scim.MOST_MADE", 3)
    with engine.begin() as connection:
        directory = Counting(connection, 1.0, iter("abcd").__next__)

        def search(**asked: str) -> int:
            return directory.search([USERS], SearchRequest[User[EnterpriseUser]].model_validate(asked)).total

        for number in range(3):
            directory.create(USERS, User[EnterpriseUser](user_name=f"u{number}", display_name="x"))
        asks_all = {"filter": 'title pr or userName ge "u1"'}
        assert (search(**asks_all), search(sortBy="displayName")) == (2, 3)
        directory.create(USERS, User[EnterpriseUser](user_name="v"))
        for asked in (asks_all, {"sortBy": "displayName"}):
            with pytest.raises(TooManyException):
                search(**asked)
        assert (search(), search(filter='userName sw "u"', sortBy="displayName")) == (4, 3)


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ('displayName eq "SRE"', ["sre"]),
        ('members.value eq "u1"', ["dev", "sre"]),
        ('members[value eq "u1"]', ["dev", "sre"]),
        ('id eq "id-00" and members eq "u1"', ["sre"]),
        ('id eq "id-00" and members eq "u3"', []),
    ],
)
def test_whoever_asks_for_groups_reads_those_and_no_members_that_nobody_wants(engine: Engine, asked: str, names: list[str]) -> None:
    """Microsoft Entra asks of each group whether somebody is in it."""
    with engine.begin() as connection:
        ids = itertools.count()
        directory = Counting(connection, 1.0, lambda: f"id-{next(ids):02}")
        for name, people in (("sre", ["u1", "u2"]), ("dev", ["u1"]), ("ops", ["u2"])):
            directory.create(GROUPS, Group(display_name=name, members=[Group.Members(value=each) for each in people]))
        directory.made = 0
        request = SearchRequest[Group].model_validate({"filter": asked, "excludedAttributes": ["members"]})
        page = directory.search([GROUPS], request)
        assert page.total == len(names) == directory.made
        assert sorted((each.display_name, each.members) for each in page.resources if isinstance(each, Group)) == [
            (name, None) for name in names
        ]


def test_somebody_who_was_deleted_is_out_until_the_directory_makes_them_again(engine: Engine) -> None:
    with engine.begin() as connection:
        alice = storage(connection).create(USERS, User[EnterpriseUser](user_name="alice"))
        storage(connection).delete(USERS, alice.id or "")
        assert roster(connection).is_out("alice")
        storage(connection, 2.0).create(USERS, User[EnterpriseUser](user_name="Alice"))
        assert set(listed(connection, KnownAs.USER_NAME).values()) == {Listed("Alice")}


def test_whoever_is_out_and_gets_another_name_is_out_by_the_former_one_too(engine: Engine) -> None:
    """Entra ID puts a number before the name of whoever it deletes, in the request that deactivates them or in the next one."""
    with engine.begin() as connection:
        first = storage(connection)
        at_once, later = (first.create(USERS, User[EnterpriseUser](user_name=name)) for name in ("alice", "bob"))
        at_once.active, at_once.user_name = False, "1234-alice"
        storage(connection, 2.0).update(USERS, at_once)
        assert roster(connection).is_out("alice")
        assert set(names_out(connection, KnownAs.USER_NAME, deactivated_since(connection, 2.0))) == {"alice", "1234-alice"}
        later.active = False
        storage(connection, 3.0).update(USERS, later)
        later.user_name = "1234-bob"
        storage(connection, 4.0).update(USERS, later)
        assert roster(connection).is_out("bob")
        later.active, later.user_name = True, "bob"
        storage(connection, 5.0).update(USERS, later)
        assert roster(connection).groups_of("bob") == () and not roster(connection).is_out("bob")
        later.user_name = "bobby"
        storage(connection, 6.0).update(USERS, later)
        assert roster(connection).groups_of("bob") is None


def test_whoever_had_another_name_before_they_left_is_out_by_that_one_too(engine: Engine) -> None:
    """A certificate lives for a year, whatever becomes of its holder's name; each spelling is kept once."""
    with engine.begin() as connection:
        alice = storage(connection).create(USERS, User[EnterpriseUser](user_name="alice", emails=[User.Emails(value="a@example.com")]))
        for number, name in enumerate(("alice.smith", "alice", "alice.smith", "alice.jones"), 2):
            alice.user_name = name
            storage(connection, float(number)).update(USERS, alice)
        known = roster(connection)
        assert known.groups_of("alice") is None and not known.is_out("alice") and known.groups_of("alice.jones") == ()
        alice.active = False
        storage(connection, 6.0).update(USERS, alice)
        names = {"alice", "alice.smith", "alice.jones"}
        assert {name for name in names if roster(connection).is_out(name)} == names
        assert set(names_out(connection, KnownAs.USER_NAME, deactivated_since(connection, 6.0))) == names
        assert len(listed(connection, KnownAs.USER_NAME)) == 3
        alice.active = True
        storage(connection, 7.0).update(USERS, alice)
        assert not any(map(roster(connection).is_out, names)) and roster(connection).groups_of("alice") is None
        storage(connection, 8.0).delete(USERS, alice.id or "")
        assert all(map(roster(connection).is_out, names))


def test_a_former_name_that_somebody_else_has_now_is_theirs(engine: Engine) -> None:
    with engine.begin() as connection:
        old = storage(connection).create(USERS, User[EnterpriseUser](user_name="bob", emails=[User.Emails(value="bob@example.com")]))
        old.user_name, old.emails = "robert", [User.Emails(value="robert@example.com")]
        storage(connection, 2.0).update(USERS, old)
        address = [User.Emails(value="bob@example.com")]
        new = storage(connection, 3.0).create(USERS, User[EnterpriseUser](user_name="bob", emails=address))
        old.active = False
        storage(connection, 4.0).update(USERS, old)
        for known_as, name in ((KnownAs.USER_NAME, "bob"), (KnownAs.EMAIL, "bob@example.com")):
            assert not roster(connection, known_as).is_out(name)
            assert name not in names_out(connection, known_as, deactivated_since(connection, 4.0))
        new.active = False
        storage(connection, 5.0).update(USERS, new)
        assert names_out(connection, KnownAs.USER_NAME, deactivated_since(connection, 5.0)) == ("bob",)


def test_a_former_address_of_somebody_active_keeps_no_session_of_whoever_has_it_now(engine: Engine) -> None:
    with engine.begin() as connection:
        old = storage(connection).create(USERS, User[EnterpriseUser](user_name="bob1", emails=[User.Emails(value="bob@example.com")]))
        old.emails = [User.Emails(value="robert@example.com")]
        storage(connection, 2.0).update(USERS, old)
        address = [User.Emails(value="bob@example.com")]
        storage(connection, 3.0).create(USERS, User[EnterpriseUser](user_name="bob2", emails=address, active=False))
        assert names_out(connection, KnownAs.EMAIL, deactivated_since(connection, 3.0)) == ("bob@example.com",)
        assert roster(connection, KnownAs.EMAIL).is_out("bob@example.com")


@pytest.mark.parametrize("again", [{}, {"active": None}, {"active": False}])
def test_whoever_is_out_is_not_in_again_by_what_a_put_leaves_out(engine: Engine, again: dict[str, bool | None]) -> None:
    with engine.begin() as connection:
        alice = storage(connection).create(USERS, User[EnterpriseUser](user_name="alice", active=False))
        put = User[EnterpriseUser](id=alice.id, user_name="alice", display_name="Alice", **again)
        storage(connection, 2.0).update(USERS, put)
        assert roster(connection).is_out("alice")
        storage(connection, 3.0).update(USERS, User[EnterpriseUser](id=alice.id, user_name="alice", active=True))
        assert not roster(connection).is_out("alice")


def test_a_name_that_went_to_a_successor_is_theirs_whatever_becomes_of_the_predecessor(engine: Engine) -> None:
    with engine.begin() as connection:
        emails = [User.Emails(value="bob@example.com")]
        old = storage(connection).create(USERS, User[EnterpriseUser](user_name="bob1", emails=emails, active=False))
        storage(connection, 1.5).create(GROUPS, Group(display_name="bob1"))
        storage(connection, 2.0).create(USERS, User[EnterpriseUser](user_name="bob2", emails=emails))
        known = roster(connection, KnownAs.EMAIL)
        assert not known.is_out("bob@example.com")
        storage(connection, 3.0).delete(USERS, old.id or "")
        known.update([old.id or ""], listed(connection, KnownAs.EMAIL, [old.id or ""]))
        assert not known.is_out("bob@example.com")
        assert names_out(connection, KnownAs.EMAIL, deactivated_since(connection, 3.0)) == ()
        assert names_out(connection, KnownAs.USER_NAME, deactivated_since(connection, 3.0)) == ("bob1",)


def test_whoever_is_out_takes_no_session_of_a_successor_along_whose_name_is_written_in_other_letters(engine: Engine) -> None:
    """Sessions are found in any case of a name's letters."""
    with engine.begin() as connection:
        first = storage(connection)
        old, _ = (
            first.create(USERS, User[EnterpriseUser](user_name=name, emails=[User.Emails(value=address)]))
            for name, address in (("bob1", "bob@example.com"), ("bob2", "Bob@example.com"))
        )
        storage(connection, 2.0).delete(USERS, old.id or "")
        assert names_out(connection, KnownAs.EMAIL, deactivated_since(connection, 2.0)) == ()


def test_whoever_is_out_is_out_in_any_case_of_their_letters_and_groups_are_of_the_very_name(engine: Engine) -> None:
    """To a directory ``Alice`` and ``alice`` are one person (RFC 7643 section 4.1.1); an identity provider may write the one, and it the other."""
    with engine.begin() as connection:
        alice = storage(connection).create(USERS, User[EnterpriseUser](user_name="alice@example.com", external_id="Xy", active=False))
        known = roster(connection)
        assert known.is_out("Alice@Example.com") and known.groups_of("Alice@Example.com") is None and not known.is_out("bob")
        storage(connection, 2.0).create(USERS, User[EnterpriseUser](user_name="other", external_id="xY"))
        ids = roster(connection, KnownAs.EXTERNAL_ID)
        assert ids.is_out("Xy") and not ids.is_out("xY")
        storage(connection, 3.0).delete(USERS, alice.id or "")
        assert roster(connection).is_out("ALICE@EXAMPLE.COM")
