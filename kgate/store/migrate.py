"""Bringing a database to the tables of this release. It runs at each start; where nothing is to be done it is one query.

Several gates may start at once: one migrates, the others wait for it, as every writer does (engine.py). A database that a newer release has migrated is
refused: this release would not know what it means.
"""

from __future__ import annotations

import importlib
from importlib.resources import files

from sqlalchemy import Connection, Engine, MetaData, inspect, text
from sqlalchemy.exc import DBAPIError

from kgate.errors import KgateError, UnreachableError
from kgate.store.metadata import metadata

MODULES = ("changes", "codes", "directory", "facts", "keys", "locks", "notices", "requests", "robots", "roll_calls", "sessions", "signins")
"""The modules of this folder that own tables."""


def migrate(engine: Engine) -> None:
    """Make or change what is missing. Raises KgateError where the database cannot be used."""
    try:
        with engine.begin() as connection:
            _upgrade(connection)
    except DBAPIError as error:
        shown = engine.url.render_as_string()  # without its password
        raise UnreachableError(
            f"state: {shown} cannot be used: {str(error.orig).splitlines()[0]}; see that it is there and writable"
        ) from error


def all_tables() -> MetaData:
    """Every table that some module owns."""
    for name in MODULES:
        importlib.import_module(f"kgate.store.{name}")
    return metadata


def known_revisions() -> list[str]:
    """Those that this release can make, the newest last: its files are named by them."""
    names = (each.name for each in files("kgate.store.migrations").joinpath("versions").iterdir())
    return sorted(name[1:5] for name in names if name.startswith("m"))


def _upgrade(connection: Connection) -> None:
    known, there = known_revisions(), _revisions(connection)
    if not there <= set(known):
        raise KgateError("state: the database was made by a newer release of kgate; run that one, or name another database")
    if there != {known[-1]}:
        from kgate.store.upgrade import upgrade  # Alembic takes a tenth of a second, which only a release's first start need spend

        upgrade(connection)


def _revisions(connection: Connection) -> set[str]:
    """Where the database is; empty where it is new."""
    if not inspect(connection).has_table("alembic_version"):
        return set()
    return set(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())
