"""Alembic, on a connection of ours."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def configuration(connection: Connection) -> Config:
    """Alembic's, working in ``connection``'s transaction."""
    config = Config()
    config.set_main_option("script_location", "kgate.store:migrations")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Run what is missing, to the newest revision."""
    command.upgrade(configuration(connection), "head")
