"""Where a subcommand finds the gate's configuration, its policy and its audit files."""

from __future__ import annotations

from pathlib import Path

import click

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
