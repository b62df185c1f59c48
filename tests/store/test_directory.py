"""The directory in the store: a SCIM storage by the library's own contract, and the roster that is made of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from scim2_models import EnterpriseUser, Group, ScimProvider, User
from scim2_server.storage import ScimStorage
from scim2_server.testing import ScimStorageContract
from sqlalchemy import Connection, Engine, select

from kgate.identity.directory import Listed
from kgate.store.changes import latest, since
from kgate.store.directory import EVERYBODY, MANY, KnownAs, entries, listed
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


def test_people_are_listed_by_the_name_that_the_gate_knows_them_by(engine: Engine) -> None:
    with engine.begin() as connection:
        directory = storage(connection)
        emails = [User.Emails(value="a@example.com", primary=False), User.Emails(value="alice@example.com", primary=True)]
        alice = directory.create(USERS, User[EnterpriseUser](user_name="alice", external_id="a1", emails=emails))
        bob = directory.create(USERS, User[EnterpriseUser](user_name="bob", active=False))
        both = [Group.Members(value=alice.id), Group.Members(value=bob.id)]  # type: ignore[call-arg]
        directory.create(GROUPS, Group(display_name="sre", members=both))  # type: ignore[arg-type]
        assert listed(connection, KnownAs.USER_NAME) == {"alice": Listed(True, ("sre",)), "bob": Listed(False)}
        assert listed(connection, KnownAs.EXTERNAL_ID) == {"a1": Listed(True, ("sre",))}
        assert listed(connection, KnownAs.EMAIL, [alice.id or ""]) == {"alice@example.com": Listed(True, ("sre",))}


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


def test_somebody_who_was_deleted_is_out_until_the_directory_makes_them_again(engine: Engine) -> None:
    with engine.begin() as connection:
        alice = storage(connection).create(USERS, User[EnterpriseUser](user_name="alice"))
        storage(connection).delete(USERS, alice.id or "")
        assert listed(connection, KnownAs.USER_NAME) == {"alice": Listed(False)}
        storage(connection, 2.0).create(USERS, User[EnterpriseUser](user_name="Alice"))
        assert listed(connection, KnownAs.USER_NAME) == {"Alice": Listed(True)}
