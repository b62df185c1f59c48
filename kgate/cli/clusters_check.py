"""``kgate clusters check``: what the gate will meet at each cluster of its configuration, before somebody's kubectl does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from attrs import frozen
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults

from kgate.cli.output import OUTPUT, as_json, bar, table, terminal_width
from kgate.cli.places import CONFIG, CONFIG_OPTION
from kgate.documents.structuring import nearest
from kgate.errors import UsageError, printable
from kgate.inspection.findings import Finding, State, also, day, findings, granted, lasts, state_of
from kgate.inspection.seen import Seen, Unknown
from kgate.kube.self_subject_review import UserInfo
from kgate.net.errand import run_errand
from kgate.net.inspecting import Inspection
from kgate.settings import Configuration, load_configuration

AT_ONCE: Final = 8
"""Clusters that are looked at at the same time."""


@frozen
class Checked:
    """One cluster, and what there is to say of it."""

    name: str
    seen: Seen
    found: tuple[Finding, ...]

    @property
    def state(self) -> State:
        """How it is, all in all."""
        return state_of(self.seen, self.found)


@click.command()
@click.argument("names", metavar="[CLUSTER]...", nargs=-1)
@CONFIG_OPTION
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 600),
    default=15.0,
    show_default=True,
    help="How many seconds one cluster may take to answer all.",
)
@OUTPUT
@click.pass_context
def check(ctx: click.Context, names: tuple[str, ...], config: Path | None, timeout: float, output: str) -> None:
    """See whether the clusters of a gate's configuration, or only those named, are as the gate needs them: as it reaches them itself, from its own machine.

    Says whether each answers and is who it should be, until when certificates and the gate's credential are good, whom the cluster takes the gate for, whether
    it can impersonate, and whether it can do nothing else. Exits with 0 where all is well, with 1 where something is not, with 3 where none can be reached.
    """
    configuration = _configuration(config)
    with bar("looking at clusters", 1.0) as progress:
        wanted = _named(names, configuration)
        progress.update(progress.task_ids[0], total=len(wanted))
        seen = run_errand(lambda reactor: _look(reactor, configuration, wanted, timeout, lambda: progress.advance(progress.task_ids[0])))
    now = time.time()
    delegating = {each.cluster for each in configuration.settings.identity.service_accounts}
    checked = [Checked(name, each, findings(each, now, delegates=name in delegating)) for name, each in zip(wanted, seen, strict=True)]
    if output == "json":
        as_json([_document(each) for each in checked])
    else:
        _show(checked, now)
    states = {each.state for each in checked}
    ctx.exit(0 if states == {State.WELL} else 3 if states == {State.UNREACHABLE} else 1)


def _configuration(config: Path | None) -> Configuration:
    """A certificate that has expired is what this is to find, not what is in its way."""
    if config is None and not CONFIG.is_file():
        raise UsageError(f"which clusters? There is no {CONFIG} here; name the gate's configuration with --config")
    return load_configuration(config or CONFIG, time.time(), running=True)


def _named(names: Sequence[str], configuration: Configuration) -> list[str]:
    there = list(configuration.access)
    for name in names:
        if name not in there:
            raise UsageError(f'there is no cluster "{name}" in the configuration; {nearest(name, there)}')
    return list(dict.fromkeys(names)) or there


async def _look(reactor: Any, configuration: Configuration, names: Sequence[str], seconds: float, done: Callable[[], None]) -> list[Seen]:
    """What is seen of each, several at a time."""
    room, connect = DeferredSemaphore(AT_ONCE), min(configuration.settings.deadlines.connect, seconds)

    def look(name: str) -> Deferred[Seen]:
        inspection = Inspection(reactor, configuration.access[name], connect, time.monotonic, time.time)
        return Deferred.fromCoroutine(inspection.look(seconds))

    def told(seen: Seen) -> Seen:
        done()
        return seen

    looks = [room.run(look, name).addCallback(told) for name in names]
    return list(await gatherResults(looks))


# --- for people


_COLUMNS = ("cluster", "state", "address", "version", "certificate", "the gate is", "credential")


def _show(checked: Sequence[Checked], now: float) -> None:
    rows = [_row(each, now) for each in checked]
    if _width(rows) <= terminal_width():
        table(_COLUMNS, rows)
    else:
        for name, state, *rest in rows:
            cells = [f"{column} {cell}" for column, cell in zip(_COLUMNS[2:], rest, strict=True) if cell]
            click.echo(printable("; ".join([f"{name}: {state}", *cells])))
    for each in checked:
        for finding in each.found:
            hint = f"; {finding.hint}" if finding.hint else ""
            click.echo(printable(f"{each.name}: {finding.level.value}: {finding.text}{hint}"))
            for line in finding.lines:
                click.echo(f"    {line}")


def _width(rows: Sequence[Sequence[str]]) -> int:
    """How many columns of a terminal the table would take."""
    return sum(2 + max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)) - 2


def _row(checked: Checked, now: float) -> tuple[str, ...]:
    seen = checked.seen
    certificate = seen.certificate.validity.ends if seen.certificate is not None and seen.reached else None
    me = seen.me
    return (
        checked.name,
        checked.state.value,
        seen.peer,
        seen.version if isinstance(seen.version, str) else "",
        _left(certificate, now),
        me.user if isinstance(me, UserInfo) else "",
        _left(seen.validity.ends, now) if isinstance(me, UserInfo) else "",
    )


def _left(ends: float | None, now: float) -> str:
    return "" if ends is None else lasts(ends - now) if ends > now else "ended"


# --- for programs


def _document(checked: Checked) -> Mapping[str, object]:
    seen, certificate = checked.seen, checked.seen.certificate
    told: dict[str, object] = {
        "cluster": checked.name,
        "state": checked.state.value,
        "server": seen.server,
        "proxy": seen.proxy,
        "addresses": seen.addresses,
        "peer": seen.peer,
        "version": seen.version if isinstance(seen.version, str) else "",
        "protocol": ("h2" if seen.http2 else "http/1.1") if seen.reached else "",
        "certificate": {
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "names": certificate.names,
            "ends": day(certificate.validity.ends) if certificate.validity.ends is not None else "",
        }
        if certificate is not None
        else None,
        "user": _user(seen.me),
        "credential": {"from": seen.credential.value, "ends": day(seen.validity.ends) if seen.validity.ends is not None else ""},
        "impersonates": {kind: each.value for kind, each in granted(seen).items()},
        "also": list(map(str, also(seen))),
        "clock_seconds": round(seen.clock, 1) if seen.clock is not None else None,
        "findings": [
            {"level": each.level.value, "about": each.about.value, "text": each.text, "hint": each.hint, "lines": each.lines}
            for each in checked.found
        ],
    }
    return {key: value for key, value in told.items() if value not in ("", None, ())}


def _user(me: UserInfo | Unknown | None) -> object:
    return {"name": me.user, "groups": me.groups} if isinstance(me, UserInfo) else None
