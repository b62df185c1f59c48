"""Getting issuers' keys: the discovery document, the key set that it names, and when to ask again (``identity/key_ring``).

Both are read with the issuer's own trust roots, without redirects, up to a size and within seconds (``net/web``). The document must name the very issuer that
was asked (OpenID Connect Discovery 1.0 section 4.3), and its key set must be behind https.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen
from twisted.logger import Logger

from kgate.exchange.gate import Fetch
from kgate.identity.elsewhere import ClaimsWanted, is_https
from kgate.identity.issuer_configuration import Issuer, IssuerConfiguration
from kgate.identity.issuers import Ends, Issuers, Signers
from kgate.identity.jose import MAX_KEY_SET, Flaw, KeySet, read_key_set, read_object
from kgate.identity.key_ring import KeyRing, KeysWanted
from kgate.net.web import Reply, Unreachable, Web

log = Logger()

MAX_DOCUMENT = 256 * 1024
SECONDS = 4.0
"""For each of the two questions: a request that waits for both is refused after ten."""


@frozen
class _Published:
    """A key set as it was read."""

    keys: KeySet
    document: bytes


class IssuerKeys:
    """The key rings of all issuers of the configuration; one whose keys are still to be had in the same way keeps them over a reload, and what its tokens leave
    elsewhere too.

    ``web_for(pem)`` asks with those trust roots; ``changed()`` is called when an issuer's keys are others than before.
    """

    def __init__(self, now: Callable[[], float], web_for: Callable[[str | None], Web], fetch: Fetch, changed: Callable[[], None]) -> None:
        self._now, self._web_for, self._fetch, self._changed = now, web_for, fetch, changed
        self.rings: dict[str, KeyRing] = {}
        self.signers = Signers((), self.rings, now)
        """Everybody whose keys are kept, as of the last ``source``."""
        self._issuers: dict[str, Issuer] = {}
        self._webs: dict[str, Web] = {}
        self._tokens: Issuers | None = None
        self._ends = Ends()
        self._said: dict[str, str] = {}
        """What was said of groups elsewhere, by issuer: every token of one that is away would say it again."""

    def source(self, issuers: Sequence[IssuerConfiguration], others: Sequence[Issuer] = (), userinfo: Collection[str] = ()) -> Issuers:
        """Who may ask, by these issuers; from now on their keys are kept fresh, and those of ``others``, whose tokens let nobody in."""
        before, self._issuers = self._issuers, {issuer.url: issuer for issuer in (*others, *(each.issuer for each in issuers))}
        kept = {url: self.rings[url] for url, each in self._issuers.items() if url in before and _same_place(before[url], each)}
        self.rings = {url: kept.get(url) or KeyRing(url) for url in self._issuers}
        self._webs = {url: self._web_for(each.certificateAuthority) for url, each in self._issuers.items()}
        self.signers = Signers(self._issuers, self.rings, self._now)
        former, self._tokens = self._tokens, Issuers(issuers, self.rings, self._now, userinfo, self._ends)
        if former is not None:
            self._tokens.elsewhere.keep(former.elsewhere, kept)
        return self._tokens

    def tick(self) -> None:
        """Fetch in the background what is due."""
        now = self._now()
        for url, ring in self.rings.items():
            if ring.due(now):
                ring.began(now)
                self._fetch(KeysWanted(url), lambda: None)

    def problems(self) -> dict[str, str]:
        """For /readyz."""
        now = self._now()
        words = {f"issuer {url}": ring.words(now) for url, ring in self.rings.items()}
        return {name: text for name, text in words.items() if text is not None}

    async def get(self, wanted: KeysWanted) -> None:
        """Fetch the keys of one issuer (a ``Way`` of ``net/fetches``)."""
        ring, issuer = self.rings.get(wanted.issuer), self._issuers.get(wanted.issuer)
        if ring is None or issuer is None:
            return  # a reload took it out meanwhile
        ring.began(self._now())
        found = await self._published(issuer)
        if isinstance(found, str):
            if found != ring.problem:
                log.warn("the keys of {issuer} could not be fetched: {problem}", issuer=issuer.url, problem=found)
            ring.failed(found)
            return
        before = ring.keys
        ring.learned(found.keys, found.document, wanted.kid, self._now())
        if before is not None and ring.keys is not before:
            log.info("{issuer} has other keys now", issuer=issuer.url)
            self._changed()
        if ring.keys is not before:
            for each in found.keys.unusable:
                log.warn("of the keys of {issuer}, {flaw}", issuer=issuer.url, flaw=each)

    async def ask_elsewhere(self, wanted: ClaimsWanted) -> None:
        """Get what a token leaves elsewhere (a ``Way`` of ``net/fetches``)."""
        issuer = self._issuers.get(wanted.issuer)
        if issuer is None or self._tokens is None:
            return  # a reload took it out meanwhile
        found = await self._elsewhere(issuer, wanted)
        problem = found if isinstance(found, str) else ""
        if problem and problem != self._said.get(issuer.url):
            log.warn("the groups that tokens of {issuer} leave elsewhere cannot be had: {problem}", issuer=issuer.url, problem=problem)
        self._said[issuer.url] = problem
        self._tokens.elsewhere.learned(wanted, found if isinstance(found, bytes) else None)

    async def _elsewhere(self, issuer: Issuer, wanted: ClaimsWanted) -> bytes | str:
        web, address = self._webs[issuer.url], wanted.endpoint
        if not address:
            document = await read_discovery(web, issuer)
            named = document if isinstance(document, str) else document.get("userinfo_endpoint")
            if isinstance(document, str) or not is_https(named):
                return document if isinstance(document, str) else "its discovery document names no userinfo behind https"
            address = named
        headers = [("authorization", f"Bearer {wanted.bearer}")] if wanted.bearer else []
        reply = await web.ask(
            "GET", address, [("accept", "application/json, application/jwt"), *headers], limit=MAX_DOCUMENT, seconds=SECONDS
        )
        if isinstance(reply, Unreachable):
            return f"{urlsplit(address).hostname} {reply.text}"
        return reply.body if reply.status == 200 else f"{urlsplit(address).hostname} answered {_status(reply)}"

    async def _published(self, issuer: Issuer) -> _Published | str:
        """The issuer's keys, or what is in the way."""
        web = self._webs[issuer.url]
        document = await read_discovery(web, issuer)
        if isinstance(document, str):
            return document
        address = document.get("jwks_uri")
        if not is_https(address):
            return "its discovery document names no key set behind https"
        reply = await web.ask("GET", address, limit=MAX_KEY_SET, seconds=SECONDS)
        if isinstance(reply, Unreachable):
            return f"its key set {reply.text}"
        if reply.status != 200:
            return f"its key set answered {_status(reply)}"
        keys = read_key_set(reply.body)
        if isinstance(keys, Flaw):
            return f"its key set {keys.text}"
        if keys.secret:
            return "its key set holds the secret half of a key"
        return _Published(keys, reply.body) if keys.keys else "its key set has no key that can be used"


async def read_discovery(web: Web, issuer: Issuer) -> dict[str, Any] | str:
    """What the issuer says of itself, or what is in the way."""
    reply = await web.ask("GET", issuer.discovery, [("accept", "application/json")], limit=MAX_DOCUMENT, seconds=SECONDS)
    if isinstance(reply, Unreachable):
        return f"it {reply.text}"
    if reply.status != 200:
        return f"its discovery document answered {_status(reply)}"
    document = read_object(reply.body)
    if isinstance(document, Flaw):
        return f"its discovery document {document.text}"
    if document.get("issuer") != issuer.url:
        return "its discovery document names another issuer"
    return document


def _same_place(one: Issuer, other: Issuer) -> bool:
    return (one.discovery, one.certificateAuthority) == (other.discovery, other.certificateAuthority)


def _status(reply: Reply) -> str:
    """A redirect is not followed, and it is said where it leads."""
    elsewhere = reply.header("location")[:100]
    return f"{reply.status}" + (f" (to {elsewhere}, which is not followed)" if elsewhere and 300 <= reply.status < 400 else "")
