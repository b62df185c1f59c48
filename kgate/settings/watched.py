"""Which files make the configuration: a change of one of them is a reload."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from attrs import fields, has

from kgate.settings.authorizers import OpaSettings
from kgate.settings.clusters import ClusterSettings
from kgate.settings.configuration import Configuration
from kgate.settings.credentials import InventoryApi
from kgate.settings.issuers import SignalSettings
from kgate.settings.operation import AuditSettings, RecordingSettings
from kgate.settings.surroundings import FactSource, GeoSettings

NOT_WATCHED: frozenset[tuple[type, str]] = frozenset(
    {
        *((kind, "token_file") for kind in (ClusterSettings, FactSource, InventoryApi, OpaSettings, SignalSettings)),
        (FactSource, "file"),
        (GeoSettings, "country"),
        (GeoSettings, "asn"),
        (AuditSettings, "directory"),
        (RecordingSettings, "directory"),
    }
)
"""Tokens are read again as they are used, facts and geo data are looked at by those who use them, and the directories of the audit and of recordings
change all the time."""


def watched(path: Path, configuration: Configuration, read: Iterable[Path]) -> set[Path]:
    """The file at ``path`` and whatever it names; of a policy's folder, those of the files that were ``read``. What came into it since is a change of the
    folder, and so is its end."""
    paths = {path, *_named(configuration.settings)}
    paths |= {each for each in read if each.parent in (configuration.settings.policy, configuration.settings.shadow)}
    for access in (*configuration.access.values(), *configuration.webhooks.values()):
        paths |= {Path(file) for file in access.files if file != access.credential.token_file}
    return paths


def _named(value: object) -> Iterator[Path]:
    """Every path in a setting, however deep."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _named(each)
    elif isinstance(value, tuple):
        for each in value:
            yield from _named(each)
    elif has(kind := type(value)):
        for field in fields(kind):
            if (kind, field.name) not in NOT_WATCHED:
                yield from _named(getattr(value, field.name))
