"""``kgate policy``: what a policy does, did and would do."""

from __future__ import annotations

import click

from kgate.cli import Commands

TABLE = {
    "diff": "kgate.cli.policy_diff:diff",
    "explain": "kgate.cli.policy_explain:explain",
    "replay": "kgate.cli.policy_replay:replay",
    "schema": "kgate.cli.policy_schema:schema",
    "test": "kgate.cli.policy_test:test",
    "what-can": "kgate.cli.policy_reach:what_may",
    "who-can": "kgate.cli.policy_reach:who_may",
}
"""Subcommand → where its click command is. A new one adds its line here."""


@click.group(cls=Commands, table=TABLE)
def policy() -> None:
    """Test, explain and compare policies; replay the past by another one."""
