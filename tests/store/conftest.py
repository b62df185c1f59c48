"""Every test of the store runs on SQLite, and on PostgreSQL too where that is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import postgresql
import pytest
from sqlalchemy import Engine

from kgate.store.engine import open_engine
from kgate.store.migrate import migrate


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgresql.PostgreSql]:
    where = postgresql.programs()
    if where is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with postgresql.throw_away(where) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state.db"
    running: postgresql.PostgreSql = request.getfixturevalue("postgres")
    return running.url()


@pytest.fixture
def engines(url: str) -> Iterator[Callable[[], Engine]]:
    """Further gates on the same database: an engine each."""
    made: list[Engine] = []

    def another() -> Engine:
        made.append(open_engine(url))
        return made[-1]

    yield another
    for engine in made:
        engine.dispose()


@pytest.fixture
def engine(engines: Callable[[], Engine]) -> Engine:
    """A database with its tables."""
    made = engines()
    migrate(made)
    return made
