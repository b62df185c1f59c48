"""The kinds of value in the configuration that are not everybody's, and how each is written. What is none raises ``Unacceptable``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NewType, cast

from kgate.documents.reading import Plain
from kgate.documents.structuring import a_whole_number
from kgate.documents.values import Unacceptable, forward_proxy

FilePath = NewType("FilePath", Path)
"""Absolute: in the file it is relative to it."""
PublicUrl = NewType("PublicUrl", str)
"""``https://host[:port]``, as a browser's ``Origin`` has it."""
ServerUrl = NewType("ServerUrl", str)
"""``https://host[:port][/path]``."""
ProxyUrl = NewType("ProxyUrl", str)
"""``http://[user:password@]host[:port]`` of a forward proxy, or ``socks5://``."""
HostName = NewType("HostName", str)
StateUrl = NewType("StateUrl", str)
"""``sqlite:///FILE`` (absolute here) or ``postgresql+psycopg://…``."""
DEFAULT_STATE = StateUrl("sqlite:///state.db")
"""Beside the configuration file."""
ClusterName = NewType("ClusterName", str)
LabelKey = NewType("LabelKey", str)
SourceName = NewType("SourceName", str)
FactName = NewType("FactName", str)
Count = NewType("Count", int)
Rate = NewType("Rate", int)
"""A second; 0 is as many as they like."""
"""A whole number, at least one."""

MAX_COUNT = 1_000_000
CLUSTER = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_./]{0,251}[A-Za-z0-9])?")
_SOURCE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def file_path(base: Path, text: str) -> FilePath:
    """Relative to the folder ``base``; ``~`` is the home of whoever runs the gate."""
    if not text or "\0" in text:
        raise Unacceptable("is not a path")
    try:
        return FilePath(base / Path(text).expanduser() if text.startswith("~") else base / text)
    except RuntimeError:
        raise Unacceptable(f'"{text}" is in nobody\'s home', "this machine does not know whose it is: write the whole path") from None


def cluster_name(text: str) -> ClusterName:
    """A cluster that is named elsewhere than in ``clusters``."""
    if not CLUSTER.fullmatch(text):
        raise Unacceptable(f'"{text}" is not a name for a cluster', "name one of clusters")
    return ClusterName(text)


def proxy_url(text: str) -> ProxyUrl:
    """A forward proxy."""
    return ProxyUrl(forward_proxy(text))


def state_url(base: Path, text: str) -> StateUrl:
    """A database; SQLite's file is relative to the folder ``base``."""
    # Here: with a third of a second it is half of what starting `kgate audit` and `kgate play` takes, for which the store is nothing.
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    hint = "write sqlite:///FILE, or postgresql+psycopg://USER@HOST/NAME; in a password @ is %40"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # the latter for a port that is none, most likely a part of the password
        raise Unacceptable("is not the URL of a database", hint) from None
    if url.drivername == "postgresql+psycopg":
        return StateUrl(text)
    if url.drivername != "sqlite":
        raise Unacceptable(f"{url.drivername} is not a kind of database that kgate keeps its state in", hint)
    if not url.database or url.database == ":memory:" or url.query:
        raise Unacceptable("names no file", hint)
    return StateUrl(url.set(database=str(base / url.database)).render_as_string())


def source_name(text: str) -> SourceName:
    """A source of facts."""
    if not _SOURCE.fullmatch(text):
        raise Unacceptable(f'"{text}" is not a name for a source', "use lower-case letters, digits and dash, at most 63")
    return SourceName(text)


def label_key(text: str) -> LabelKey:
    """A cluster's label."""
    if not _LABEL.fullmatch(text):
        raise Unacceptable(f'"{text}" is not a key for a label', "use letters, digits, dash, dot, underscore and slash")
    return LabelKey(text)


def rate(value: Plain, _: object) -> Rate:
    """A structure hook."""
    if not 0 <= a_whole_number(value) <= MAX_COUNT:
        raise Unacceptable(f"{value} is out of range", f"it is at most {MAX_COUNT:,}; 0 switches it off")
    return cast("Rate", value)


def count(value: Plain, _: object) -> Count:
    """A structure hook."""
    if not 1 <= a_whole_number(value) <= MAX_COUNT:
        raise Unacceptable(f"{value} is out of range", f"it is at least 1 and at most {MAX_COUNT:,}")
    return cast("Count", value)
