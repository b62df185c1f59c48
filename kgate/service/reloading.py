"""Another configuration while the gate runs: all of it or nothing.

The files are read and checked whole, then every part that they made is exchanged in one turn of the reactor, and what lives is decided again. Files that
do not check leave everything as it is; the log, /readyz and a record say why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from kgate.errors import KgateError
from kgate.net.disk import HUNG_SECONDS
from kgate.net.watching import FilesRead, FileWatch
from kgate.service.part import Part, Shared
from kgate.service.quiet import let_go, quietly
from kgate.settings import Configuration, load_configuration
from kgate.settings.policies import policy_files
from kgate.settings.shapes import Settings
from kgate.settings.watched import watched

log = Logger()
MOST_SHOWN = 20
"""Mistakes that the log and the record name; ``kgate check`` names all."""


T = TypeVar("T")
KEEP_SECONDS = 1.0
"""Between two tries to keep the text of a policy that is in force."""


class Read(NamedTuple):
    """What a reload found, good as far as it can be known before any part is exchanged."""

    configuration: Configuration
    put_in_force: Callable[[], None]
    unkept: str
    """Why the policy's text could not be kept beside the audit."""


class Reloads(Part):
    """See the module. ``files`` were read at the start; ``read_on``, not on the reactor's thread, has every part read what else it takes, and gives what
    exchanges them all: each of the two may raise KgateError before any is touched. ``withhold`` is told why the text of the policy in force could not be
    kept, and with nothing that it is."""

    def __init__(
        self,
        shared: Shared,
        path: Path,
        files: FilesRead,
        read_on: Callable[[Configuration, FilesRead], Callable[[], None]],
        withhold: Callable[[str], None],
    ) -> None:
        self._shared, self._path, self._read_on, self._withhold = shared, path, read_on, withhold
        self._files = files
        """As they are in force."""
        self._watched: set[Path] = set()
        self._watch = FileWatch(shared.disk, self.reload)
        self._problem = ""
        self._unkept = False
        self._keeping = -KEEP_SECONDS
        self._reloading = self._again = False
        self._reader = shared.disk.beside("reload")

    def start(self) -> None:
        """Look at the files from now on."""
        self._look_at(self._shared.configuration())

    def tick(self) -> None:
        """A changed file is a reload; a policy's text that could not be kept is tried again."""
        self._watch.tick()
        if self._unkept and not self._reloading and self._shared.now() - self._keeping >= KEEP_SECONDS:
            self._keep_again()

    @property
    def refused(self) -> bool:
        """Whether the files as they are now are not in force."""
        return bool(self._problem)

    def problems(self) -> Mapping[str, str]:
        """Files that do not check."""
        return {"configuration": self._problem} if self._problem else {}

    def reload(self) -> None:
        """Read everything again; exchange all of it, or nothing.

        Reading goes to a thread: ten thousand rules take seconds, and traffic goes on meanwhile. One that is asked for while another is under
        way follows it, so the last state of the files always counts. Files that hang are a refusal that names them; once they answer they are a change.
        """
        if self._reloading:
            self._again = True
            return
        self._reloading, self._again = True, False
        files = FilesRead(self._shared.disk)
        reading = self._in_thread(lambda: self._read(files))
        reading.addCallback(self._take_over, self._shared.now(), files)
        reading.addErrback(self._stay, files)
        reading.addErrback(self._broke)
        reading.addCallback(lambda _: self._done())

    def _keep_again(self) -> None:
        configuration = self._shared.configuration()
        self._reloading, self._keeping = True, self._shared.now()
        keeping = self._in_thread(lambda: self._keep(configuration))
        keeping.addCallback(self._kept)
        keeping.addErrback(self._broke)
        keeping.addCallback(lambda _: self._done())

    def _kept(self, problem: str) -> None:
        self._unkept = bool(problem)
        self._withhold(problem)
        if not problem:
            log.info("the text of the policy in force is kept; requests are taken again")

    def _in_thread(self, work: Callable[[], T]) -> Deferred[T]:
        return self._reader.do(lambda: quietly(work))

    def _done(self) -> None:
        self._reloading = False
        if self._again:
            self.reload()

    def _read(self, files: FilesRead) -> Read:
        """In a thread: the files as they are now. Raises KgateError."""
        configuration = load_configuration(
            self._path, time.time(), files.read, files_of=lambda path: files.ask(path, partial(policy_files, path)), running=True
        )
        needs = needs_a_restart(self._shared.configuration().settings, configuration.settings)
        if needs is not None:
            raise KgateError(f"{self._path}: {needs} changed, which a reload cannot carry out; restart the gate, or change it back")
        return Read(configuration, self._read_on(configuration, files), self._keep(configuration))

    def _keep(self, configuration: Configuration) -> str:
        """In a thread, as ``Records.keep``: what the policy takes away does not wait for a disk that hangs."""
        return self._shared.records.keep(configuration, partial(self._shared.disk.wait, seconds=HUNG_SECONDS))

    def _stay(self, failure: Failure, files: FilesRead) -> None:
        """The files are not good: everything stays as it is. What is new among them is looked at too, for that may be where it is mended."""
        failure.trap(KgateError)
        new = files.files.keys() - self._files.files.keys()
        self._watch.watch(self._watched | new, files.stamps)
        reasons = str(failure.value).splitlines()
        self._problem = f"not reloaded, the old one stays in force: {reasons[0]}"
        shown = reasons if len(reasons) <= MOST_SHOWN else [*reasons[: MOST_SHOWN - 1], f"and {len(reasons) - MOST_SHOWN + 1:,} more"]
        log.error("the configuration was not reloaded, the old one stays in force:\n{error}", error="\n".join(shown))
        self._shared.records.event("config", {"allowed": False, "reasons": shown})

    def _broke(self, failure: Failure) -> None:
        """A bug. Whoever edited a file must not take it for what counts."""
        self._problem = "reloading failed, which is a fault of the gate; its log says where, and a restart takes the files as they are"
        log.failure("reloading failed", failure)

    def _take_over(self, read: Read, changed_at: float, files: FilesRead) -> None:
        """The files are good. Raises KgateError before anything is exchanged.

        A policy whose text could not be kept takes rights away all the same: what lives is decided by it. No request is taken until it is kept.
        """
        configuration, put_in_force, unkept = read
        former = [self._shared.configuration().policy]
        put_in_force()
        self._problem, self._unkept, self._files = "", bool(unkept), files
        self._withhold(unkept)
        if unkept:
            log.error(
                "the policy in force: {problem}; no request is taken until it can be; make room, or check who may write", problem=unkept
            )
        self._look_at(configuration)
        self._shared.records.in_force("config", configuration, {"allowed": True} | ({"reasons": [unkept]} if unkept else {}))
        log.info("reloaded; policy revision {revision}", revision=configuration.policy.revision)
        self._shared.decide_again(since=changed_at)
        self._reader.do(lambda: let_go(former))

    def _look_at(self, configuration: Configuration) -> None:
        self._watched = watched(self._path, configuration, self._files.files)
        self._watch.watch(self._watched, self._files.stamps)


def needs_a_restart(old: Settings, new: Settings) -> str | None:
    """The first section that changed and is taken up only at a start; None where there is none."""
    was, is_ = taken_up_at_a_start(old), taken_up_at_a_start(new)
    return next((name for name in was if was[name] != is_[name]), None)


def taken_up_at_a_start(settings: Settings) -> dict[str, object]:
    """What a reload does not exchange, by its section. Of a listener that is all but its certificate."""
    return {
        "listen": [(each.address, each.proxy_protocol) for each in settings.listen],
        "audit": settings.audit,
        "state": settings.state,
        "secrets": settings.secrets,
        "admin": settings.admin,
        "workers": settings.workers,
    }


def fingerprint(settings: Settings) -> str:
    """The same for all workers of a gate, whenever they were started."""
    return sha256(repr(taken_up_at_a_start(settings)).encode()).hexdigest()
