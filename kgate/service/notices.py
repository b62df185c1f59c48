"""What issuers tell between two tokens, put together: who is believed about what, where it comes in, and whose streams it concerns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from attrs import evolve

from kgate.api.application import Routes
from kgate.api.notices import NoticePages, on_record
from kgate.identity.issuer_configuration import Issuer, IssuerUrl
from kgate.identity.issuers import Signers
from kgate.identity.notice_tokens import UNAVAILABLE, Refused
from kgate.identity.notices import Notice, Notices, concerns
from kgate.net.disk import Disk
from kgate.net.following import Following
from kgate.net.notices import Dialect, NoticeBoard, Received, Receiver, Speaker
from kgate.net.polling import Poller
from kgate.service.part import Part, Shared
from kgate.settings import Configuration
from kgate.settings.issuers import SignalSettings

WELL_KNOWN = "/.well-known/ssf-configuration"
"""OpenID Shared Signals Framework 1.0 section 7.1: where a transmitter says what its keys are."""


def transmitters(configuration: Configuration) -> list[Issuer]:
    """Those whose keys are needed for their signatures under events only."""
    issuers = {each.issuer.url for each in configuration.identity.issuers}
    return [_found(each.issuer) for each in configuration.settings.identity.signals if each.issuer.url not in issuers]


def _found(issuer: Issuer) -> Issuer:
    return issuer if issuer.discoveryURL else evolve(issuer, discoveryURL=IssuerUrl(issuer.url.rstrip("/") + WELL_KNOWN))


def speakers(configuration: Configuration) -> Mapping[str, Speaker]:
    """Who is believed, by issuer: each issuer of tokens about its own people's logouts, each transmitter about events."""
    clients = {each.configuration.issuer.url: {each.settings.client_id} for each in configuration.identity.logins}
    found: dict[str, Speaker] = {
        each.issuer.url: Speaker(
            each.issuer.url,
            frozenset(each.issuer.audiences) | clients.get(each.issuer.url, set()),
            each.issuer.url,
            frozenset({Dialect.LOGOUT}),
        )
        for each in configuration.identity.issuers
    }
    for signal in configuration.settings.identity.signals:
        url, audiences = signal.issuer.url, frozenset(signal.issuer.audiences)
        known = found.get(url, Speaker(url, frozenset(), url, frozenset()))
        about = signal.about or url
        found[url] = Speaker(url, known.audiences | audiences, about, known.dialects | {Dialect.EVENT})
    return found


class IssuerNotices(Part):
    """See the module. ``signers`` are of the configuration in force."""

    def __init__(self, shared: Shared, signers: Callable[[], Signers]) -> None:
        self._shared, self._record = shared, shared.records.event
        self._board = NoticeBoard(shared.database, shared.wall, self._changed)
        self._receiver = Receiver(shared.database, signers, lambda: speakers(shared.configuration()), shared.fetches, shared.wall)
        self._pages = NoticePages(self._receiver, self._record)
        self._pollers: dict[SignalSettings, Poller] = {}

    @property
    def notices(self) -> Notices:
        """Those in force."""
        return self._board.notices

    @property
    def following(self) -> Following:
        """How far they were read."""
        return self._board.following

    def routes(self) -> Sequence[Routes]:
        """Where they come in."""
        return (self._pages.routes(),)

    def reloaded(self) -> None:
        """Other transmitters may be asked now; one that stays is not asked twice."""
        wanted = {each for each in self._shared.configuration().settings.identity.signals if each.poll is not None}
        for former in self._pollers.keys() - wanted:
            self._pollers.pop(former).stop()
        for each in wanted - self._pollers.keys():
            web = self._shared.web_for(each.issuer.certificateAuthority)
            bearer = _bearer_of(each, self._shared.disk)
            self._pollers[each] = Poller(str(each.poll), web, bearer, self._polled, self._shared.now)

    def tick(self) -> None:
        """Read what was missed, fetch what waits."""
        self._board.tick()
        for poller in self._pollers.values():
            poller.tick()

    def problems(self) -> Mapping[str, str]:
        """Transmitters that cannot be asked."""
        return {f"signals {each.issuer.url}": poller.problem for each, poller in self._pollers.items() if poller.problem}

    def _changed(self, notice: Notice | None) -> None:
        """One came; None: anything may have."""
        self._shared.decide_again(lambda stream: notice is None or concerns(notice, stream.identity))

    async def _polled(self, token: str) -> Received | Refused:
        answer = await self._receiver.receive(token, Dialect.EVENT)
        if isinstance(answer, Refused):
            if answer.error != UNAVAILABLE:  # it comes again every few seconds, and shows in /readyz
                self._record("notice", {"allowed": False, "reasons": [answer.text]})
        elif answer.new:
            self._record("notice", {"allowed": True, **on_record(answer)})
        return answer


def _bearer_of(signal: SignalSettings, disk: Disk) -> Callable[[], Awaitable[str]]:
    """The token file's content as of now; one that cannot be read is an empty token, which the transmitter refuses."""
    file = disk.file(signal.token_file) if signal.token_file is not None else None

    async def bearer() -> str:
        try:
            return (await file.read()).decode().strip() if file is not None else ""
        except OSError:
            return ""

    return bearer
