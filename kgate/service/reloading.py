"""Another configuration while the gate runs: all of it or nothing.

The files are read and checked whole, then every part that they made is exchanged in one turn of the reactor, and what lives is decided again. Files that
do not check leave everything as it is; the log, /readyz and a record say why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from kgate.errors import KgateError
from kgate.net.files import FileWatch
from kgate.service.part import Part, Shared
from kgate.service.quiet import let_go, quietly
from kgate.settings import Configuration, load_configuration
from kgate.settings.shapes import Settings
from kgate.settings.watched import watched

log = Logger()
MOST_SHOWN = 20
"""Mistakes that the log and the record name; ``kgate check`` names all."""


class Reloads(Part):
    """See the module. ``put_in_force`` exchanges every part, or raises KgateError before it touches one."""

    def __init__(self, shared: Shared, path: Path, put_in_force: Callable[[Configuration], None]) -> None:
        self._shared, self._path, self._put_in_force = shared, path, put_in_force
        self._watch = FileWatch(())
        self._problem = ""
        self._reloading = self._again = False

    def start(self) -> None:
        """Look at the files from now on."""
        self._watch.watch(watched(self._path, self._shared.configuration()))

    def tick(self) -> None:
        """A changed file is a reload."""
        if self._watch.changed():
            self.reload()

    @property
    def refused(self) -> bool:
        """Whether the files as they are now are not in force."""
        return bool(self._problem)

    def problems(self) -> Mapping[str, str]:
        """Files that do not check."""
        return {"configuration": f"not reloaded, the old one stays in force: {self._problem}"} if self._problem else {}

    def reload(self) -> None:
        """Read everything again; exchange all of it, or nothing.

        Reading goes to a thread: ten thousand rules take seconds, and traffic goes on meanwhile. One that is asked for while another is under
        way follows it, so the last state of the files always counts.
        """
        if self._reloading:
            self._again = True
            return
        self._reloading, self._again = True, False
        reactor = self._shared.reactor
        reading = deferToThreadPool(reactor, reactor.getThreadPool(), quietly, self._read)
        reading.addCallback(self._take_over, self._shared.now())
        reading.addErrback(self._stay)
        reading.addErrback(lambda failure: log.failure("reloading failed", failure))
        reading.addCallback(lambda _: self._done())

    def _done(self) -> None:
        self._reloading = False
        self._shared.turn.flush()
        if self._again:
            self.reload()

    def _read(self) -> Configuration:
        """In a thread: the files as they are now, the policy's text kept beside the audit. Raises KgateError."""
        configuration = load_configuration(self._path, time.time(), running=True)
        needs = needs_a_restart(self._shared.configuration().settings, configuration.settings)
        if needs is not None:
            raise KgateError(f"{self._path}: {needs} changed, which a reload cannot carry out; restart the gate, or change it back")
        self._shared.records.keep(configuration)
        return configuration

    def _stay(self, failure: Failure) -> None:
        """The files are not good: everything stays as it is."""
        failure.trap(KgateError)
        reasons = str(failure.value).splitlines()
        self._problem = reasons[0]
        shown = reasons if len(reasons) <= MOST_SHOWN else [*reasons[: MOST_SHOWN - 1], f"and {len(reasons) - MOST_SHOWN + 1:,} more"]
        log.error("the configuration was not reloaded, the old one stays in force:\n{error}", error="\n".join(shown))
        self._shared.records.event("config", {"allowed": False, "reasons": shown})

    def _take_over(self, configuration: Configuration, changed_at: float) -> None:
        """The files are good. Raises KgateError before anything is exchanged."""
        former = [self._shared.configuration().policy]
        self._put_in_force(configuration)
        self._problem = ""
        self._watch.watch(watched(self._path, configuration))
        self._shared.records.in_force("config", configuration, {"allowed": True})
        log.info("reloaded; policy revision {revision}", revision=configuration.policy.revision)
        self._shared.decide_again(since=changed_at)
        self._shared.reactor.callInThread(let_go, former)


def needs_a_restart(old: Settings, new: Settings) -> str | None:
    """The first section that changed and is taken up only at a start; None where there is none."""
    for name, was, is_ in (
        ("listen", [listen.address for listen in old.listen], [listen.address for listen in new.listen]),
        ("audit", old.audit, new.audit),
        ("state", old.state, new.state),
        ("secrets", old.secrets, new.secrets),
        ("admin", old.admin, new.admin),
        ("workers", old.workers, new.workers),
    ):
        if was != is_:
            return name
    return None
