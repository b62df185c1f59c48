"""Bringing a database to the tables of this release. It runs at each start; where nothing is to be done it is one query.

Several gates may start at once: one migrates, the others wait for it. A database that a newer release has migrated is refused: this release would not
know what it means.
"""

from __future__ import annotations

import importlib

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, text
from sqlalchemy.exc import DBAPIError

from kgate.errors import KgateError, UnreachableError
from kgate.store.engine import is_sqlite
from kgate.store.metadata import metadata

MODULES = ("changes", "codes", "directory", "facts", "keys", "notices", "requests", "robots", "sessions", "signins")
"""The modules of this folder that own tables."""
_LOCK = 0x6D6967


def migrate(engine: Engine) -> None:
    """Make or change what is missing. Raises KgateError where the database cannot be used."""
    try:
        with engine.begin() as connection:
            if not is_sqlite(connection):
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
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


def configuration(connection: Connection) -> Config:
    """Alembic's, working in ``connection``'s transaction."""
    config = Config()
    config.set_main_option("script_location", "kgate.store:migrations")
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    config = configuration(connection)
    scripts = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in scripts.walk_revisions()}
    there = set(MigrationContext.configure(connection).get_current_heads())
    if not there <= known:
        raise KgateError("state: the database was made by a newer release of kgate; run that one, or name another database")
    if there != set(scripts.get_heads()):
        command.upgrade(config, "head")
