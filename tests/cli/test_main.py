"""What every subcommand has in common."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kgate.cli import Commands, main
from kgate.errors import UnreachableError

ENDS: dict[str, BaseException] = {
    "unreachable": UnreachableError("the gate does not answer"),
    "interrupted": KeyboardInterrupt(),
    "full": OSError(28, "No space left on device"),
}


@click.command()
@click.argument("how")
def ends(how: str) -> None:
    raise ENDS[how]


def groups(group: click.Group, *names: str) -> Iterator[tuple[tuple[str, ...], click.Group]]:
    """The group and those in it, each with what one types for it."""
    yield names, group
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            yield from groups(command, *names, name)


@pytest.mark.parametrize(("names", "group"), list(groups(main)), ids=lambda each: " ".join(each) if isinstance(each, tuple) else "")
@pytest.mark.parametrize("columns", ["40", "80"])
def test_a_list_of_commands_has_the_whole_summary_of_each(names: tuple[str, ...], group: click.Group, columns: str) -> None:
    listed = CliRunner(env={"COLUMNS": columns}).invoke(main, [*names, "--help"]).stdout
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None and f"{name} {command.get_short_help_str(1000)}" in " ".join(listed.split())


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("unreachable", 3, "kgate: the gate does not answer\n"),
        ("interrupted", 130, "\nkgate: stopped by Ctrl-C\n"),
        ("full", 1, "kgate: what this prints cannot be written: No space left on device\n"),
    ],
)
def test_what_ends_a_command_is_one_line_and_a_code(how: str, code: int, said: str) -> None:
    result = CliRunner().invoke(Commands("kgate", table={"ends": f"{__name__}:ends"}), ["ends", how])
    assert (result.exit_code, result.stderr, result.stdout) == (code, said, "")


@pytest.mark.parametrize("arguments", ["--help", "--version", "policy --help", "policy schema", "token list --file {}"])
def test_a_full_disk_is_one_line_whatever_is_printed(arguments: str, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.yaml"
    tokens.write_text(f"robots: [{{name: ci, sha256: {64 * 'a'}, user: ci}}]")
    with open("/dev/full", "wb") as full:
        run = [sys.executable, "-c", "from kgate.cli import main; main()", *arguments.format(tokens).split()]
        done = subprocess.run(run, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "kgate: what this prints cannot be written: No space left on device\n")


def test_whoever_has_no_output_at_all_has_no_stack_trace(tmp_path: Path) -> None:
    """``>&-``, as some who run commands by a timer do it: a table asks whether it is a terminal."""
    tokens = tmp_path / "tokens.yaml"
    tokens.write_text(f"robots: [{{name: ci, sha256: {64 * 'a'}, user: ci}}]")
    run = f'exec "{sys.executable}" -c "from kgate.cli import main; main()" token list --file "{tokens}" >&-'
    done = subprocess.run(["sh", "-c", run], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
