"""The directory in memory, beside a store that changes faster than it is read."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from reactors import dispose, make_reactor, turn_until
from scim2_models import EnterpriseUser, User
from sqlalchemy import Engine, event

from kgate.net.database import Database
from kgate.net.directory import FollowedDirectory
from kgate.store.directory import KnownAs
from kgate.store.scim import PROVIDER, DirectoryStorage

USERS, _ = PROVIDER.resource_types
_ids = itertools.count(1)


class Scene:
    """A gate that follows the directory, and who pushes to it."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.reactor = engine, make_reactor()
        self.database = Database(self.reactor, engine, time.monotonic, lambda work: work)
        self.told = 0
        self.caught_up = threading.Event()
        self.followed = FollowedDirectory(self.database, KnownAs.USER_NAME, self.changed)
        self.database.start()
        turn_until(self.reactor, lambda: self.told == 1)

    def changed(self, _names: object) -> None:
        self.told += 1
        self.caught_up.set()

    def push(self, user: User[EnterpriseUser]) -> User[EnterpriseUser]:
        """As the directory does, by another gate; this one looks at once."""
        with self.engine.begin() as connection:
            storage = DirectoryStorage(connection, time.time(), lambda: f"id-{next(_ids)}")
            made: Any = storage.update(USERS, user) if user.id else storage.create(USERS, user)
        self.database.look()
        return made  # type: ignore[no-any-return]


@pytest.fixture
def scene(engine: Engine) -> Iterator[Scene]:
    made = Scene(engine)
    yield made
    made.database.stop()
    dispose(made.reactor)


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


def test_a_former_name_is_not_known_any_more(scene: Scene) -> None:
    alice = scene.push(User[EnterpriseUser](user_name="alice", active=True))
    turn_until(scene.reactor, lambda: scene.followed.directory.groups_of("alice") == ())
    alice.user_name = "alicia"
    scene.push(alice)
    turn_until(scene.reactor, lambda: scene.followed.directory.groups_of("alicia") == ())
    turn_until(scene.reactor, lambda: scene.followed.directory.groups_of("alice") is None)
