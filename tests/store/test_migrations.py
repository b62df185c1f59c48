"""The migrations make exactly the tables that the modules describe, whoever runs them and however often."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from kgate.errors import KgateError, UnreachableError
from kgate.store.engine import open_engine
from kgate.store.migrate import MODULES, all_tables, known_revisions, migrate
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
