"""The migrations make exactly the tables that the modules describe, whoever runs them and however often."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from attrs import asdict, evolve
from sqlalchemy import Connection, Engine, MetaData, insert, inspect, text

from kgate.errors import KgateError, UnreachableError
from kgate.identity.directory import KnownAs, Listed
from kgate.identity.notices import Kind as NoticeKind
from kgate.identity.notices import Notice, Subject
from kgate.store.changes import latest, publish
from kgate.store.codes import find_user_code
from kgate.store.directory import Member, listed, members_of
from kgate.store.engine import open_engine
from kgate.store.facts import Message, last_messages
from kgate.store.keys import load_keys
from kgate.store.migrate import MODULES, all_tables, known_revisions, migrate
from kgate.store.notices import all_notices, dated
from kgate.store.people import Person, person_to_json
from kgate.store.requests import grants
from kgate.store.robots import Use, last_uses
from kgate.store.sessions import Kind, Rotation, Session, find_session, live_sessions, rotate, session_of_cookie
from kgate.store.signins import take_signin
from kgate.store.upgrade import configuration


def test_the_migrations_and_the_modules_agree(engine: Engine) -> None:
    with engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), all_tables()) == []
        scripts = ScriptDirectory.from_config(configuration(connection))
        assert [each.revision for each in scripts.walk_revisions()] == known_revisions()[::-1]


def test_every_module_with_tables_is_listed() -> None:
    folder = Path(__file__).parents[2] / "kgate" / "store"
    owners = {path.stem for path in folder.glob("*.py") if " = Table(" in path.read_text()}
    assert owners == set(MODULES)


def test_several_gates_may_start_at_once(engines: Callable[[], Engine]) -> None:
    gates = [engines() for _ in range(4)]
    threads = [threading.Thread(target=migrate, args=(gate,)) for gate in gates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("sessions" in inspect(gate).get_table_names() for gate in gates)


def test_a_second_start_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    assert "sessions" in inspect(engine).get_table_names()


NOW = 1_800_000_000.0
ALICE = Person("alice", ("sre",), issuer="https://idp", subject="a1", provider_session="sid-1", issued_at=NOW)
SESSION = Session("s1", Kind.CLI, ALICE, NOW, NOW + 3600, "192.0.2.7", ("dev-*",), checked=NOW, check_due=NOW + 300)
NOTICE = Notice("https://idp", "j1", NoticeKind.LOGOUT, Subject(sub="a1"), NOW)
ENTRY = {"deleted": False, "version": 1, "created": NOW, "modified": NOW, "external_id": "", "email": ""}
ROWS: dict[str, dict[str, Any]] = {
    "changes": {"at": NOW, "topic": "sessions", "key": "s1"},
    "sessions": {
        "id": "s1",
        "kind": "cli",
        "user": "alice",
        "issuer": "https://idp",
        "subject": "a1",
        "provider_session": "sid-1",
        "person": person_to_json(ALICE),
        "created": NOW,
        "expires": NOW + 3600,
        "address": "192.0.2.7",
        "clusters": "dev-*",
        "ended": None,
        "ended_why": "",
        "provider_tokens": "sealed",
        "checked": NOW,
        "check_due": NOW + 300,
    },
    "cookies": {"digest": "cookie", "session": "s1"},
    "refresh_secrets": {"digest": "secret", "session": "s1", "made": NOW, "next": ""},
    "codes": {
        "digest": "code",
        "state": "waiting",
        "expires": NOW + 600,
        "user_code": "BCDF-GHJK",
        "challenge": "",
        "redirect_uri": "",
        "address": "192.0.2.7",
        "clusters": "",
        "polled": 0.0,
        "person": "",
        "provider_tokens": "",
        "session": "",
    },
    "signins": {
        "state": "state",
        "browser": "browser",
        "issuer": "https://idp",
        "nonce": "nonce",
        "verifier": "sealed",
        "expires": NOW + 600,
        "redirect_uri": "",
        "client_state": "",
        "challenge": "",
        "user_code": "",
        "clusters": "",
        "step_up": False,
    },
    "signing_keys": {"kid": "k1", "begins": NOW, "sealed": "sealed"},
    "robot_uses": {"name": "ci", "at": NOW, "address": "192.0.2.1"},
    "access_requests": {
        "id": "r1",
        "user": "alice",
        "rule": "shell",
        "cluster": "dev",
        "namespace": "",
        "reason": "why",
        "duration": 60.0,
        "needed": 1,
        "created": NOW,
        "state": "granted",
        "approvals": "[]",
        "begins": NOW,
        "until": NOW + 60,
        "ended_by": "",
        "ended_why": "",
    },
    "directory_entries": {**ENTRY, "id": "u1", "kind": "User", "name": "Bob", "folded": "bob", "active": False, "document": "{}"},
    "directory_members": {"group": "g1", "member": "u1", "type": "User", "display": ""},
    "notices": {
        "key": "https://idp j1",
        "kind": "logout",
        "received": NOW,
        "document": json.dumps(asdict(NOTICE) | {"kind": "logout"}),
    },
    "fact_messages": {"source": "ci", "signed": NOW, "body": '{"freeze": "on"}'},
}
"""As the releases up to the fifth migration wrote them, in an order that foreign keys allow."""


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004", "0005"])
def test_what_is_in_a_store_outlives_the_migrations_from_any_of_them(engines: Callable[[], Engine], revision: str) -> None:
    engine = engines()
    with engine.begin() as connection:
        command.upgrade(configuration(connection), revision)
        then = MetaData()
        then.reflect(connection)
        there = [name for name in ROWS if name in then.tables]
        assert {*there, "alembic_version"} == set(then.tables)  # each table has a row
        for name in there:
            connection.execute(insert(then.tables[name]), ROWS[name])
    migrate(engine)
    found: dict[str, Callable[[Connection], object]] = {
        "changes": lambda connection: latest(connection) == 1,
        "sessions": lambda connection: find_session(connection, "s1") == SESSION and live_sessions(connection, NOW) == (SESSION,),
        "cookies": lambda connection: session_of_cookie(connection, "cookie") == SESSION,
        "refresh_secrets": lambda connection: rotate(connection, "secret", "next", NOW) == (Rotation.DONE, SESSION),
        "codes": lambda connection: find_user_code(connection, "BCDF-GHJK", NOW) is not None,
        "signins": lambda connection: take_signin(connection, "state", NOW) is not None,
        "signing_keys": lambda connection: [key.kid for key in load_keys(connection)] == ["k1"],
        "robot_uses": lambda connection: last_uses(connection) == (Use("ci", NOW, "192.0.2.1"),),
        "access_requests": lambda connection: [grant.id for grant in grants(connection, None, NOW)["alice"]] == ["r1"],
        "directory_entries": lambda connection: listed(connection, KnownAs.USER_NAME) == {"u1": Listed("Bob", False)},
        "directory_members": lambda connection: members_of(connection, "g1") == (Member("u1"),),
        "notices": lambda connection: all_notices(connection) == (NOTICE,),
        "fact_messages": lambda connection: last_messages(connection) == (Message("ci", NOW, '{"freeze": "on"}'),),
    }
    with engine.begin() as connection:
        assert [name for name in there if not found[name](connection)] == []
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), all_tables()) == []
        publish(connection, "sessions", "s1", NOW)
        assert latest(connection) == 2


def test_a_gate_of_the_release_before_goes_on_while_others_are_restarted_by_the_new_one(engines: Callable[[], Engine]) -> None:
    """What it writes into the migrated tables, whose new columns it does not know."""
    engine = engines()
    with engine.begin() as connection:
        command.upgrade(configuration(connection), "0005")
        then = MetaData()
        then.reflect(connection)
    migrate(engine)
    with engine.begin() as connection:
        for name, row in ROWS.items():
            connection.execute(insert(then.tables[name]), row)
        assert all_notices(connection) == (NOTICE,)
        signin, alice = take_signin(connection, "state", NOW), evolve(ALICE, issued_at=NOW - 300)
        assert signin is not None and dated(connection, alice, latest(connection)) == alice  # whether it was known before nobody says


def test_a_database_of_a_newer_release_is_refused(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(KgateError, match="newer release"):
        migrate(engine)


def test_a_database_that_cannot_be_used_is_one_sentence_without_its_password(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/missing/state.db", "postgresql+psycopg://kgate:hunter2@127.0.0.1:1/kgate"):
        with pytest.raises(UnreachableError, match="cannot be used") as caught:
            migrate(open_engine(url))
        assert "hunter2" not in str(caught.value) and len(str(caught.value).splitlines()) == 1
