"""Where a subcommand finds the gate's configuration, its policy and its audit files."""

from __future__ import annotations

from pathlib import Path

import click

from kgate.audit.recording.names import FOLDER
from kgate.errors import UsageError
from kgate.policy.evaluate import Policy
from kgate.policy.load import load_policy
from kgate.policy.trial import Labels
from kgate.settings import Settings, load_settings
from kgate.settings.files import read_file, unreadable
from kgate.settings.policies import policy_text

CONFIG = Path("kgate.yaml")
CONFIG_OPTION = click.option(
    "-c", "--config", type=click.Path(path_type=Path), default=None, help="The gate's configuration; kgate.yaml where there is one."
)
AUDIT_OPTION = click.option(
    "-d", "--directory", type=click.Path(path_type=Path), help="The audit directory, instead of the configuration's."
)

RECORDINGS_OPTION = click.option(
    "--recordings", type=click.Path(path_type=Path), help="The folder of the recordings, where it is not beside the audit's files."
)


def settings_of(config: Path | None) -> Settings | None:
    """The configuration that was named, or the one that lies here; None where there is neither."""
    if config is None and not CONFIG.is_file():
        return None
    return load_settings(config or CONFIG)


def audit_directory(config: Path | None, directory: Path | None) -> Path:
    """The directory that was named, or the configuration's. Raises UsageError where neither is."""
    if directory is not None:
        return directory
    settings = settings_of(config)
    if settings is None:
        raise UsageError("which audit? Name the gate's configuration with --config, or the directory with --directory")
    return settings.audit.directory


def recordings_directory(config: Path | None, directory: Path | None, recordings: Path | None) -> Path:
    """The recordings that were named; those of the audit directory that was named (of one worker's chain they are a folder above); the configuration's.
    Raises UsageError where none is."""
    if recordings is not None:
        return recordings
    if directory is not None:
        of_a_worker = directory.resolve().name.startswith("worker-") and not (directory / FOLDER).is_dir()
        return (directory.resolve().parent if of_a_worker else directory) / FOLDER
    settings = settings_of(config)
    if settings is None:
        raise UsageError(
            "which recordings? Name the gate's configuration with --config, its audit with --directory, or the folder with --recordings"
        )
    return settings.audit.recorded


def policy_file(file: Path | None, settings: Settings | None) -> Policy:
    """The policy that was named, or the configuration's. Raises UsageError where neither is, or it cannot be read, InvalidFileError where it is wrong."""
    path = file or (settings.policy if settings is not None else None)
    if path is None:
        raise UsageError("which policy? Name its file, or the gate's configuration with --config")
    try:
        return load_policy(policy_text(path, read_file), str(path))
    except OSError as error:
        raise UsageError(unreadable(path, error)) from error


def cluster_labels(settings: Settings | None) -> Labels:
    """The labels of the configuration's clusters."""
    return (
        {name: dict(cluster.as_policy_sees_it(name).labels) for name, cluster in settings.clusters.items()} if settings is not None else {}
    )
