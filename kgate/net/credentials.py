"""The gate's own credential for a cluster, kept fresh.

``bearer`` is what goes into the Authorization header now, or None where a client certificate in the connection says who we are. On the hot path it
is ``at_hand``; a source that has to fetch first calls back (``ready``).
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from kgate.kube.cluster_access import ClusterAccess, GateCredential, token_of
from kgate.kube.execplugin import MAX_OUTPUT, ExecCredential, ExecPlugin, parse_exec_credential
from kgate.net.disk import HUNG_SECONDS, Disk, NeededFile
from kgate.net.programs import Printed, Unfinished, run
from kgate.net.telling import tell

log = Logger(__name__)

EARLY_SECONDS: Final = 60.0
"""An exec credential is renewed so long before it expires."""
RETRY_SECONDS: Final = 5.0
"""After each run of a plugin. Whoever asks until then goes with what it gave, or reads why it failed. client-go runs it for each 401 to the credential that it
has, but it has one person's requests; here a cluster that refuses all would have it run without a pause, as would a token that lives for seconds."""
PLUGIN_SECONDS: Final = 30.0
"""For a run of a plugin: it asks a cloud, not a person."""
RECHECK_SECONDS: Final = 1.0
SOON_SECONDS: Final = 0.5
"""For a token file that was read before: requests wait for it, and may go with the token that there is."""


class Credential(ABC):
    """A source of the gate's own credential."""

    @property
    @abstractmethod
    def bearer(self) -> bytes | None:
        """The token to send now."""

    @property
    @abstractmethod
    def certificate(self) -> tuple[bytes, bytes] | None:
        """A client certificate and key (PEM) for new connections; the same object for as long as they are the same."""

    @property
    @abstractmethod
    def at_hand(self) -> bool:
        """Whether there is one now, so that ``ready`` would say so at once."""

    @property
    def expires(self) -> float | None:
        """When it ends (Unix seconds), where whoever gave it said so."""
        return None

    @abstractmethod
    def ready(self, then: Callable[[str | None], None]) -> None:
        """Call ``then(None)`` once there is one, or ``then(why not)``."""

    @abstractmethod
    def refused(self) -> None:
        """The cluster answered 401: fetch it anew before the next use."""

    def close(self) -> None:  # noqa: B027  (most have nothing to end)
        """Nobody needs it any more."""


class FixedCredential(Credential):
    """A token or certificate of the configuration."""

    def __init__(self, bearer: bytes | None, certificate: tuple[bytes, bytes] | None = None) -> None:
        self._bearer, self._certificate = bearer, certificate

    @property
    def bearer(self) -> bytes | None:
        """The token."""
        return self._bearer

    @property
    def certificate(self) -> tuple[bytes, bytes] | None:
        """The certificate and its key."""
        return self._certificate

    @property
    def at_hand(self) -> bool:
        """Always."""
        return True

    def ready(self, then: Callable[[str | None], None]) -> None:
        """It is there."""
        then(None)

    def refused(self) -> None:
        """Only the operator can mend it."""


class TokenFile(Credential):
    """A token in a file that something else rotates: read again as it is used, once a second at most."""

    def __init__(self, file: NeededFile, now: Callable[[], float], certificate: tuple[bytes, bytes] | None = None) -> None:
        self._file, self._now, self._certificate = file, now, certificate
        self._looked = float("-inf")
        self._token: bytes | None = None
        self._waiting: list[Callable[[str | None], None]] = []
        self._unreadable = False
        """Said already."""

    @property
    def bearer(self) -> bytes | None:
        """The file's content without the white space around it; the last one that could be read."""
        return self._token

    @property
    def certificate(self) -> tuple[bytes, bytes] | None:
        """The one beside it."""
        return self._certificate

    @property
    def at_hand(self) -> bool:
        """For a second after each look, where a token was ever read."""
        return self._token is not None and self._now() - self._looked < RECHECK_SECONDS

    def ready(self, then: Callable[[str | None], None]) -> None:
        """After a look. A file that was never readable is the operator's to mend; one that does not answer is not waited for long."""
        if self.at_hand:
            then(None)
            return
        self._waiting.append(then)
        if len(self._waiting) == 1:
            seconds = SOON_SECONDS if self._token is not None else HUNG_SECONDS
            self._file.read(seconds).addCallbacks(self._read, self._not_read).addBoth(self._settle)

    def refused(self) -> None:
        """Look again at once."""
        self._looked = float("-inf")

    def _read(self, content: bytes) -> None:
        self._token = token_of(content) or self._token
        self._unreadable = False

    def _not_read(self, failure: Failure) -> None:
        failure.trap(OSError)
        if not self._unreadable:
            error: Any = failure.value
            goes_on = "the last token stays in use" if self._token else "there is no token yet"
            log.error("the token file {path} cannot be read: {error}; {on}", path=str(self._file.path), error=error.strerror, on=goes_on)
        self._unreadable = True

    def _settle(self, result: object) -> object:
        self._looked = self._now()
        problem = None if self._token else f"the token file {self._file.path} cannot be read or is empty"
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            tell(then, problem)
        return result


class ExecToken(Credential):
    """An exec credential plugin (client.authentication.k8s.io): run when needed, its answer kept until shortly before it expires."""

    def __init__(
        self, reactor: Any, now: Callable[[], float], wall: Callable[[], float], plugin: ExecPlugin, access: ClusterAccess
    ) -> None:
        self._reactor, self._now, self._wall, self._plugin, self._access = reactor, now, wall, plugin, access
        self._credential: ExecCredential | None = None
        self._certificate: tuple[bytes, bytes] | None = None
        self._waiting: list[Callable[[str | None], None]] = []
        self._under_way: Deferred[Any] | None = None
        """The plugin's run."""
        self._refused = False
        self._problem, self._rests_until = "", float("-inf")

    @property
    def bearer(self) -> bytes | None:
        """The plugin's token; a renewal is started early, in the background."""
        credential = self._credential
        if credential is None:
            return None
        if credential.expires is not None and credential.expires - self._wall() < EARLY_SECONDS and self._now() >= self._rests_until:
            self._run()
        return credential.token.encode() if credential.token else None

    @property
    def certificate(self) -> tuple[bytes, bytes] | None:
        """The plugin's client certificate."""
        return self._certificate

    @property
    def expires(self) -> float | None:
        """As the plugin said."""
        return self._credential.expires if self._credential is not None else None

    @property
    def at_hand(self) -> bool:
        """While what the plugin gave last holds."""
        credential = self._credential
        return credential is not None and not self._refused and (credential.expires is None or credential.expires > self._wall())

    def ready(self, then: Callable[[str | None], None]) -> None:
        """At once while the credential holds, or shortly after a run; else after the plugin's run."""
        if self.at_hand:
            then(None)
        elif self._under_way is None and self._now() < self._rests_until:
            then(self._problem or None)
        else:
            self._waiting.append(then)
            self._run()

    def refused(self) -> None:
        """Get another one, unless this one is new: answers to requests that went with the former may come late. Whoever has a connection already goes with
        the former: without any it would go as nobody."""
        self._refused = self._refused or self._now() >= self._rests_until

    def close(self) -> None:
        """End a plugin that runs."""
        if self._under_way is not None:
            self._under_way.cancel()

    def _run(self) -> None:
        if self._under_way is not None:
            return
        plugin = self._plugin
        program = which(plugin.command)
        if program is None:
            hint = f"; {plugin.install_hint.strip()}" if plugin.install_hint else ""
            self._settle(f"cannot be run: there is no such program{hint}")
            return
        environment = {**os.environ, **dict(plugin.env), "KUBERNETES_EXEC_INFO": self._access.exec_info()}
        self._under_way = run(self._reactor, program, plugin.args, environment, most=MAX_OUTPUT, seconds=PLUGIN_SECONDS)
        self._under_way.addCallback(self._ended)

    def _ended(self, result: Printed | Unfinished) -> None:
        if isinstance(result, Unfinished):
            self._settle(result.text)
        elif result.code:
            last = result.errors.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no message"]
            self._settle(f"ended with {result.code}: {last[0][:200]}")
        else:
            credential = parse_exec_credential(result.output, self._plugin)
            if isinstance(credential, ExecCredential):
                self._take(credential)
                self._settle(None)
            else:
                self._settle(credential)

    def _take(self, credential: ExecCredential) -> None:
        self._credential, self._refused = credential, False
        pair = (credential.certificate, credential.key) if credential.certificate else None
        if pair != self._certificate:
            self._certificate = pair

    def _settle(self, wrong: str | None) -> None:
        """``wrong`` is the rest of a sentence that begins with the plugin's name."""
        self._under_way = None
        problem = f"the exec plugin {self._plugin.command} {wrong}" if wrong is not None else None
        self._problem, self._rests_until = problem or "", self._now() + RETRY_SECONDS
        if problem is not None:
            log.error("{problem}", problem=problem)
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then(problem)


def credential_of(reactor: Any, disk: Disk, now: Callable[[], float], wall: Callable[[], float], access: ClusterAccess) -> Credential:
    """The source that ``access`` names; a client certificate may stand beside a token."""
    given: GateCredential = access.credential
    pair = (given.certificate, given.key) if given.certificate else None
    if given.plugin is not None:
        return ExecToken(reactor, now, wall, given.plugin, access)
    if given.token_file:
        return TokenFile(disk.file(Path(given.token_file)), now, pair)
    return FixedCredential(given.token.encode() if given.token else None, pair)
