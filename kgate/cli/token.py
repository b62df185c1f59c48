"""``kgate token``: static tokens for robots. The file holds digests only; the token itself is printed once, when it is made.

It changes the file that the gate's configuration names; the gate notices by itself. So whoever may write that file may make tokens, and nobody else: there
is no way to do it over the network.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from kgate.cli import Listing
from kgate.cli.output import OUTPUT, as_json, table
from kgate.cli.places import CONFIG_OPTION, settings_of
from kgate.documents.reading import decode
from kgate.documents.values import Unacceptable, duration, instant
from kgate.errors import KgateError, UsageError
from kgate.identity.robots import load_tokens
from kgate.identity.token_file import with_token, without_token
from kgate.model import Identity
from kgate.settings.files import read_file, unreadable

PREFIX = "kgate_"
"""So that scanners for leaked secrets, and people, know one when they see it."""
FILE = click.option("-f", "--file", type=click.Path(path_type=Path), help="The file of tokens, instead of the configuration's.")
COLUMNS = ("name", "user", "groups", "expires", "networks", "clusters", "last used", "from")


@click.group(cls=Listing)
def token() -> None:
    """Make, list and revoke static tokens for programs."""


@token.command()
@click.argument("name")
@click.option("--user", default="", help="Who the cluster and the policy see; NAME by default.")
@click.option("-g", "--group", "groups", multiple=True, help="A group; several times for several.")
@click.option(
    "--expires", default="90d", show_default=True, help="After how long (90d) or when (2027-01-01T00:00:00Z); never is a relaxation."
)
@click.option("--network", "networks", multiple=True, help="A network (CIDR) that it may come from; by default any.")
@click.option("--cluster", "clusters", multiple=True, help="A cluster, or a glob, that it may reach; by default any.")
@CONFIG_OPTION
@FILE
@OUTPUT
def create(
    name: str,
    user: str,
    groups: tuple[str, ...],
    expires: str,
    networks: tuple[str, ...],
    clusters: tuple[str, ...],
    config: Path | None,
    file: Path | None,
    output: str,
) -> None:
    """Make a token for the program NAME. It is printed once; only its digest is kept."""
    path = _file(config, file)
    made = PREFIX + secrets.token_urlsafe(32)
    ends = _expiry(expires)
    entry: dict[str, Any] = {
        "name": name,
        "sha256": hashlib.sha256(made.encode()).hexdigest(),
        "user": user or name,
        "groups": list(groups),
    }
    more = {"expires": ends, "networks": list(networks), "clusters": list(clusters)}
    with _alone(path):
        text = _text(path) if path.exists() else ""
        _write(path, with_token(text, str(path), entry | {key: value for key, value in more.items() if value}))
    if output == "json":
        as_json({"name": name, "token": made, "expires": ends, "file": str(path)})
        return
    click.echo(made)
    until = f"good until {ends}" if ends else "good for ever"
    click.echo(f"kgate: {name} is {until}; keep the token, it is not shown again. The gate takes {path.name} over by itself.", err=True)


@token.command("list")
@CONFIG_OPTION
@FILE
@OUTPUT
def list_(config: Path | None, file: Path | None, output: str) -> None:
    """List the tokens, and when each was last used."""
    path = _file(config, file)
    uses = _uses(config)
    robots = sorted(load_tokens(_text(path), str(path)).identities.values(), key=lambda each: each.robot)
    rows = [_described(each, uses) for each in robots]
    if output == "json":
        as_json(rows)
        return
    if not rows:
        click.echo("there is no token; kgate token create NAME makes one")
        return
    table(COLUMNS, [[_cell(row.get(column.replace(" ", "_"))) for column in COLUMNS] for row in rows])


@token.command()
@click.argument("name")
@CONFIG_OPTION
@FILE
def revoke(name: str, config: Path | None, file: Path | None) -> None:
    """Take the token NAME out of the file: it is unknown as soon as the gate has noticed, and what lives by it is cut."""
    path = _file(config, file)
    with _alone(path):
        _write(path, without_token(_text(path), str(path), name))
    click.echo(f"{name} is revoked")


def _file(config: Path | None, file: Path | None) -> Path:
    if file is not None:
        return file
    settings = settings_of(config)
    if settings is None:
        raise UsageError("which tokens? Name the gate's configuration with --config, or the file with --file")
    if settings.identity.tokens is None:
        raise UsageError("the configuration has no file of tokens; add identity: {tokens: {file: tokens.yaml}}, or name one with --file")
    return settings.identity.tokens.file


def _text(path: Path) -> str:
    try:
        return decode(read_file(path), str(path))
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist; kgate token create NAME makes it") from error
    except OSError as error:
        raise UsageError(unreadable(path, error)) from error


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Whoever else changes the file, from when they read it on, waits: the lock is the folder's, for the file itself is replaced."""
    try:
        folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise KgateError(f"{path} cannot be written: {error.strerror}; check who may write in its folder") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _write(path: Path, text: str) -> None:
    """Whole or not at all, with the mode and owner that the file has; 0600 for a new one."""
    try:
        handle, new = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.resolve().parent)
    except OSError as error:
        raise KgateError(f"{path} cannot be written: {error.strerror}; check who may write in its folder") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        with suppress(FileNotFoundError):
            status = path.stat()
            os.chmod(new, status.st_mode & 0o777)
            os.chown(new, status.st_uid, status.st_gid)
        os.replace(new, path.resolve())
    except OSError as error:
        with suppress(OSError):
            os.unlink(new)
        raise KgateError(f"{path} cannot be written: {error.strerror}; nothing was changed") from error


def _expiry(text: str) -> str:
    """RFC 3339, empty for never. Raises UsageError."""
    if text == "never":
        return ""
    try:
        ends = instant(text) if "T" in text.upper() else time.time() + duration(text)
    except Unacceptable as error:
        raise UsageError(f"--expires {error.text}; {error.hint}, or never") from error
    if ends <= time.time():
        raise UsageError(f"--expires {text} has passed; name a time to come")
    return _instant(ends)


def _instant(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _described(identity: Identity, uses: dict[str, tuple[float, str]] | None) -> dict[str, Any]:
    used = uses.get(identity.robot) if uses is not None else None
    return {
        "name": identity.robot,
        "user": identity.user,
        "groups": list(identity.groups),
        "expires": _instant(identity.expires) if identity.expires is not None else None,
        "expired": identity.expires is not None and identity.expires <= time.time(),
        "networks": list(identity.networks),
        "clusters": list(identity.clusters),
        "last_used": _instant(used[0]) if used is not None else None if uses is not None else "unknown",
        "from": used[1] if used is not None else "",
    }


def _cell(value: object) -> str:
    return "never" if value is None else (", ".join(map(str, value)) if isinstance(value, list) else str(value)) or "-"


def _uses(config: Path | None) -> dict[str, tuple[float, str]] | None:
    """What the store knows; None where there is none to ask."""
    settings = settings_of(config)
    if settings is None:
        return None
    from sqlalchemy import make_url
    from sqlalchemy.exc import DBAPIError

    from kgate.store.engine import READS, open_engine
    from kgate.store.robots import last_uses

    url = make_url(settings.state)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return None
    engine = open_engine(settings.state)
    try:
        with engine.connect().execution_options(**{READS: True}) as connection:
            return {use.name: (use.at, use.address) for use in last_uses(connection)}
    except DBAPIError:
        return None
    finally:
        engine.dispose()
