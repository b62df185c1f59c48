"""What every subcommand has in common."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from kgate.cli import Commands
from kgate.errors import UnreachableError

ENDS: dict[str, BaseException] = {"unreachable": UnreachableError("the gate does not answer"), "interrupted": KeyboardInterrupt()}


@click.command()
@click.argument("how")
def ends(how: str) -> None:
    raise ENDS[how]


@pytest.mark.parametrize(
    ("how", "code", "said"), [("unreachable", 3, "kgate: the gate does not answer\n"), ("interrupted", 130, "\nkgate: stopped by Ctrl-C\n")]
)
def test_what_ends_a_command_is_one_line_and_a_code(how: str, code: int, said: str) -> None:
    result = CliRunner().invoke(Commands("kgate", table={"ends": f"{__name__}:ends"}), ["ends", how])
    assert (result.exit_code, result.stderr, result.stdout) == (code, said, "")
