"""The directory in memory, beside a store that changes faster than it is read."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest
from reactors import dispose, make_reactor, turn_until
from scim2_models import EnterpriseUser, Group, User
from sqlalchemy import Engine, event

from kgate.identity.directory import Directory, KnownAs
from kgate.net.database import Database
from kgate.net.directory import FollowedDirectory
from kgate.store.scim import PROVIDER, DirectoryStorage

USERS, GROUPS = PROVIDER.resource_types
_ids = itertools.count(1)


class Scene:
    """A gate that follows the directory, and who pushes to it."""

    def __init__(self, engine: Engine, known_as: KnownAs = KnownAs.USER_NAME) -> None:
        self.engine, self.reactor, self.known_as = engine, make_reactor(), known_as
        self.database = Database(self.reactor, engine, time.monotonic, lambda work: work)
        self.told = 0
        self.names: frozenset[str] = frozenset()
        self.caught_up = threading.Event()
        self.followed = FollowedDirectory(self.database, known_as, self.changed)
        self.database.start()
        turn_until(self.reactor, lambda: self.told == 1)

    def changed(self, names: Collection[str] | None) -> None:
        self.told += 1
        self.names |= frozenset(names or ())
        self.caught_up.set()

    def push(self, user: User[EnterpriseUser]) -> User[EnterpriseUser]:
        """As the directory does, by another gate; this one looks at once."""
        made: Any = self.store(lambda storage: storage.update(USERS, user) if user.id else storage.create(USERS, user))
        return made  # type: ignore[no-any-return]

    def store(self, work: Callable[[DirectoryStorage], object]) -> object:
        """Anything else that it does."""
        with self.engine.begin() as connection:
            made = work(DirectoryStorage(connection, time.time(), lambda: f"id-{next(_ids)}"))
        self.database.look()
        return made

    def follows(self, know: Callable[[Directory], bool]) -> None:
        """Wait until the directory in memory says so; read whole, as after a start, it says the same."""
        turn_until(self.reactor, lambda: know(self.followed.directory))
        again, told = FollowedDirectory(self.database, self.known_as, self.changed), self.told
        self.database.look()
        again.following.read()
        turn_until(self.reactor, lambda: self.told > told and len(again.directory) > 0)
        assert know(again.directory)


@pytest.fixture(params=[KnownAs.USER_NAME])
def scene(engine: Engine, request: pytest.FixtureRequest) -> Iterator[Scene]:
    made = Scene(engine, request.param)
    yield made
    made.database.stop()
    dispose(made.reactor)


by_address = pytest.mark.parametrize("scene", [KnownAs.EMAIL], indirect=True)


@pytest.mark.threat("14")
def test_threat_14_whoever_is_deactivated_is_not_brought_back_by_a_read_that_began_before(scene: Scene) -> None:
    held = threading.Event()

    def hold(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        """The first read of the directory has what it wants, and its thread gets no time until the next one is through, or half a second."""
        if (
            "directory_entries" in statement
            and statement.startswith("SELECT")
            and threading.current_thread() is not threading.main_thread()
            and not held.is_set()
        ):
            held.set()
            scene.caught_up.clear()
            scene.caught_up.wait(0.5)

    event.listen(scene.engine, "after_cursor_execute", hold)
    carol = scene.push(User[EnterpriseUser](user_name="carol", active=True))
    turn_until(scene.reactor, held.is_set)
    carol.active = False
    scene.push(carol)
    turn_until(scene.reactor, lambda: scene.told == 3)
    assert scene.followed.directory.is_out("carol")


def test_whoever_has_another_name_now_is_not_known_by_the_former_one_any_more(scene: Scene) -> None:
    carol = scene.push(User[EnterpriseUser](user_name="carol", active=True))
    sre = Group(display_name="sre", members=[Group.Members(value=carol.id)])  # type: ignore[call-arg, list-item]
    scene.store(lambda storage: storage.create(GROUPS, sre))
    scene.follows(lambda known: known.groups_of("carol") == ("sre",))
    carol.user_name = "caroline"
    scene.push(carol)
    scene.follows(lambda known: known.groups_of("caroline") == ("sre",) and known.groups_of("carol") is None)
    assert {"carol", "caroline"} <= scene.names  # what lives under either is decided again


def test_a_former_name_is_out_with_whoever_had_it_in_a_gate_that_follows_as_in_one_that_starts(scene: Scene) -> None:
    carol = scene.push(User[EnterpriseUser](user_name="carol", active=True))
    carol.user_name = "caroline"
    scene.push(carol)
    scene.follows(lambda known: not known.is_out("carol") and known.groups_of("caroline") == ())
    carol.active = False
    scene.push(carol)
    scene.follows(lambda known: known.is_out("carol") and known.is_out("caroline"))
    carol.active = True
    scene.push(carol)
    scene.follows(lambda known: not known.is_out("carol") and known.groups_of("carol") is None)


@by_address
def test_a_successor_with_the_same_address_is_not_out_with_whoever_had_it_before(scene: Scene) -> None:
    address = [User.Emails(value="ops@example.com", primary=True)]
    former = scene.push(User[EnterpriseUser](user_name="carol", emails=address, active=False))
    scene.follows(lambda known: known.is_out("ops@example.com"))
    scene.push(User[EnterpriseUser](user_name="dave", emails=address, active=True))
    scene.follows(lambda known: not known.is_out("ops@example.com"))
    former.display_name = "Carol, who left"
    told = scene.told
    scene.push(former)
    turn_until(scene.reactor, lambda: scene.told > told)
    scene.follows(lambda known: not known.is_out("ops@example.com"))
    scene.store(lambda storage: storage.delete(USERS, former.id or ""))
    scene.push(User[EnterpriseUser](user_name="erin", active=True))
    scene.follows(lambda known: not known.is_out("ops@example.com"))


def test_a_name_is_the_same_in_any_case_of_its_letters_where_somebody_is_out(scene: Scene) -> None:
    """SCIM compares a userName so (RFC 7643 section 4.1.1); an identity provider may write it in another way."""
    carol = scene.push(User[EnterpriseUser](user_name="Carol@Example.com", active=True))
    scene.follows(lambda known: not known.is_out("carol@example.com"))
    carol.active = False
    scene.push(carol)
    scene.follows(lambda known: known.is_out("carol@example.com") and known.is_out("Carol@Example.com"))
