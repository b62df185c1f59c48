"""The kgate command. Each subcommand is a module of its own, imported when it is called, so that ``kgate credential`` starts fast.

What goes wrong is a ``KgateError``: its sentence goes to stderr, its ``exit_code`` to the shell. 0 done, 1 the answer is no, 2 usage, 3 cannot reach; 130 after
Ctrl-C, as of any program.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from collections.abc import Mapping
from typing import Any

import click

from kgate import __version__
from kgate.errors import KgateError, printable

COMMANDS = {
    "audit": "kgate.cli.audit:audit",
    "check": "kgate.cli.check:check",
    "clusters": "kgate.cli.clusters:clusters",
    "credential": "kgate.cli.credential:credential",
    "kubeconfig": "kgate.cli.signed_in:kubeconfig",
    "lock": "kgate.cli.lock:lock",
    "login": "kgate.cli.login:login",
    "logout": "kgate.cli.login:logout",
    "play": "kgate.cli.play:play",
    "policy": "kgate.cli.policy:policy",
    "request": "kgate.cli.request:request",
    "sessions": "kgate.cli.sessions:sessions",
    "token": "kgate.cli.token:token",
    "whoami": "kgate.cli.signed_in:whoami",
}
"""Subcommand → where its click command is. A new one adds its line here."""
STOPPED = 130
"""What a shell gives for Ctrl-C: 128 and SIGINT."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class Listing(click.Group):
    """A group that lists its subcommands with the whole first sentence of each, in several lines where one is too short."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """click's own cuts a sentence off at the end of its line."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(sys.maxsize)) for name, command in commands if command is not None])


class Commands(Listing):
    """A group that imports a subcommand when it is asked for. ``table`` says where each is."""

    def __init__(self, *args: Any, table: Mapping[str, str] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._table = COMMANDS if table is None else table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every subcommand."""
        return sorted(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The one called ``cmd_name``."""
        if cmd_name not in self._table:
            return None
        module, _, name = self._table[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the program; nothing of it, the help neither, prints to where there is no room. A pipe that nobody reads is silence and 1 (click's)."""
        try:
            return super().main(*args, **options)
        except OSError as error:
            if error.errno not in FULL or error.filename is not None:
                raise
            click.echo(f"kgate: what this prints cannot be written: {error.strerror}", err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        """Run it; what the person can put right is one message."""
        try:
            return super().invoke(ctx)
        except KgateError as error:
            said = "\n".join(map(printable, str(error).splitlines()))  # it may quote a file, or another program
            click.echo(f"kgate: {said}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("\nkgate: stopped by Ctrl-C", err=True)
            ctx.exit(STOPPED)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kgate")
def main() -> None:
    """Access to Kubernetes clusters through a gate that knows who you are."""
    if sys.stdout is None:  # closed by whoever runs this (>&-)
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  as long as the program
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a stranger's name must not end what somebody reads in Latin-1
