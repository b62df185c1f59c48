"""``kgate policy schema``: the JSON Schema of policy files, for editors."""

from __future__ import annotations

import json

import click

from kgate.policy.schema import policy_schema


@click.command()
def schema() -> None:
    """Print the JSON Schema of policy files.

    A file that begins with "# yaml-language-server: $schema=policy.schema.json" is checked and completed by editors that know YAML schemas.
    """
    click.echo(json.dumps(policy_schema(), indent=2))
