"""Looking at a cluster as the gate meets it (``inspection/``): the gate's own dial, TLS, pool and credential, and a dozen small questions.

The questions come one after the other, so that a cluster without HTTP/2 sees one connection, and the first that is refused as nobody's is the last. Where
TLS does not trust what is there, the certificate is looked at on a second connection that trusts anybody; nothing is sent on it, and no credential shown.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final, cast

import orjson
from attrs import evolve
from cryptography import x509
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as TookTooLong

from kgate.exchange.inquiry import NoReply, Reply
from kgate.exchange.legs import UpstreamLeg
from kgate.exchange.upstream import NoConnection
from kgate.inspection.seen import Credential, Seen, Served, Trial, Unknown, Validity
from kgate.kube import gate_rights, self_subject_review
from kgate.kube.access_review import OWN_REVIEWS, Attributes, Review, render_review, review_status
from kgate.kube.cluster_access import ClusterAccess
from kgate.kube.gate_rights import EXTRA_KEY, FEARED, NEEDED, Granted, names_of
from kgate.kube.rules_review import OWN_RULES, Listed, read_list, render_question
from kgate.kube.self_subject_review import UserInfo, read_user
from kgate.kube.status import one_line
from kgate.model import Impersonation
from kgate.net.askers import inquire
from kgate.net.cluster import ClusterUpstream, endpoint_of
from kgate.net.credentials import FixedCredential, credential_of
from kgate.net.dial import HostName
from kgate.net.disk import Disk
from kgate.net.tls import TlsTransport
from kgate.net.turn import Turn
from kgate.wire.dates import read_date

TRIED_AS: Final = "kgate-clusters-check"
"""A user, group, uid and extra that nobody has."""
_NAMESPACES: Final = ("default", "kube-system")
_ACCOUNT: Final = "system:serviceaccount:"
_ACCOUNTS: Final = "system:serviceaccounts"
_LONGEST: Final = 300


class Inspection:
    """One look at one cluster. ``now`` is monotonic, ``wall`` Unix seconds; ``connect`` is how long a connection may take (seconds)."""

    def __init__(self, reactor: Any, access: ClusterAccess, connect: float, now: Callable[[], float], wall: Callable[[], float]) -> None:
        self._reactor, self._access, self._connect, self._now, self._wall = reactor, access, connect, now, wall
        self._turn = Turn()
        self._credential = credential_of(reactor, Disk(reactor, self._turn, now), now, wall, access)
        self._upstream = ClusterUpstream(reactor, self._turn, now, access, self._credential, lambda: connect)
        kind, where = _source(access)
        self._seen = Seen(
            access.server.url,
            kind,
            where,
            proxy=_without_password(access.proxy_url),
            server_name=access.tls_server_name or access.server.host,
            unchecked=access.insecure,
        )

    async def look(self, seconds: float) -> Seen:
        """All that is seen of it in so many seconds."""
        looking = Deferred.fromCoroutine(self._look())
        looking.addTimeout(seconds, self._reactor)
        try:
            await looking
        except (TookTooLong, CancelledError):
            self._note(late=seconds)
            if self._seen.credential is Credential.PLUGIN and not self._credential.at_hand and not self._seen.failure:
                self._note(failure=f"{self._seen.where.removeprefix('of ')} was not done after {seconds:g} s")
        self._note(validity=self._validity())
        _part(self._upstream, self._turn)
        return self._seen

    async def _look(self) -> None:
        if self._access.credential.plugin is None:  # which is run only where it is needed; a token tells when it ends in any case
            await self._token_read()
        await self._resolve()
        if self._seen.addresses and await self._reach():
            await self._ask_about_me()
            if not (isinstance(self._seen.me, Unknown) and self._seen.me.status == 401):
                await self._ask_about_rights()
                await self._try()

    def _note(self, **what: Any) -> None:
        self._seen = evolve(self._seen, **what)

    # --- the way there

    async def _token_read(self) -> None:
        read: Deferred[None] = Deferred()
        self._credential.ready(lambda _: read.callback(None))
        await read

    async def _resolve(self) -> None:
        found: Deferred[list[str]] = Deferred()
        HostName(self._reactor, endpoint_of(self._access).host).resolve(found.callback)
        self._note(addresses=tuple(dict.fromkeys(await found)))

    async def _reach(self) -> bool:
        """Whether there is a connection, and what it is like."""
        leg = await self._acquired(self._upstream)
        if not isinstance(leg, UpstreamLeg):
            self._note(failure=one_line(leg.text, _LONGEST))
            if leg.text.startswith("certificate verify failed"):
                await self._look_closer()
            return False
        transport = cast("TlsTransport", leg.transport)
        self._note(reached=True, peer=transport.socket.peer, http2=leg.multiplexed, certificate=_served(transport.peer_certificate))
        self._upstream.spare(leg)
        return True

    async def _look_closer(self) -> None:
        """Which certificate it is that is not trusted."""
        access = evolve(self._access, insecure=True, certificate_authority=None)
        upstream = ClusterUpstream(self._reactor, self._turn, self._now, access, FixedCredential(None), lambda: self._connect)
        leg = await self._acquired(upstream)
        if isinstance(leg, UpstreamLeg):
            self._note(certificate=_served(cast("TlsTransport", leg.transport).peer_certificate))
        _part(upstream, self._turn)

    async def _acquired(self, upstream: ClusterUpstream) -> UpstreamLeg | NoConnection:
        """In a turn of its own: a connection that is handed over has not begun to carry anything yet."""
        there: Deferred[UpstreamLeg | NoConnection] = Deferred()
        upstream.acquire(lambda result: self._reactor.callLater(0, there.callback, result))
        self._turn.flush()
        return await there

    # --- questions

    async def _ask(self, path: bytes, body: bytes = b"", impersonate: Impersonation | None = None) -> Reply | Unknown:
        """The whole answer to one question, where it is a good one."""
        reply = await inquire(self._upstream, path, body, impersonate, self._turn.flush)
        if isinstance(reply, NoReply):
            return Unknown(0, one_line(f"it {reply.text}", _LONGEST))
        return reply if reply.status in (200, 201) else Unknown(reply.status, _words(reply.body))

    async def _ask_about_me(self) -> None:
        sent = self._wall()
        reply = await self._ask(b"/version")
        if isinstance(reply, Reply):
            date = read_date(reply.headers)
            self._note(clock=date + 0.5 - (sent + self._wall()) / 2 if date is not None else None)
        self._note(version=_version(reply) if isinstance(reply, Reply) else reply)
        self._note(me=_user(await self._ask(self_subject_review.PATH, self_subject_review.QUESTION)))

    async def _ask_about_rights(self) -> None:
        answers: dict[str, bool | Unknown] = {}
        for kind, attributes in NEEDED.items():
            answers[kind] = await self._may(attributes)
            self._note(impersonates=dict(answers))
        self._note(reviews=await self._may(gate_rights.REVIEWS_TOKENS))
        rules: list[Listed | Unknown] = []
        for namespace in _namespaces(self._seen.me):
            rules.append(_rules(await self._ask(OWN_RULES, render_question(namespace))))
            self._note(rules=tuple(rules))
        for attributes in FEARED:
            if await self._may(attributes) is True:
                self._note(feared=(*self._seen.feared, attributes))

    async def _may(self, attributes: Attributes) -> bool | Unknown:
        reply = await self._ask(OWN_REVIEWS, render_review(Review(attributes)))
        if isinstance(reply, Unknown):
            return reply
        status = review_status(reply.body)
        return Unknown(reply.status, f"its answer has {status}") if isinstance(status, str) else status.allowed

    async def _try(self) -> None:
        """Ask in the name of somebody that nobody is, as far as it may be; and what everybody may there."""
        wanted = self._somebody()
        if wanted is None:
            return
        answer = _user(await self._ask(self_subject_review.PATH, self_subject_review.QUESTION, wanted))
        self._note(trial=Trial(wanted, answer))
        if isinstance(answer, UserInfo) and answer.user == wanted.user:
            given = _rules(await self._ask(OWN_RULES, render_question("default"), Impersonation(wanted.user, self._likes())))
            self._note(given=given if isinstance(given, Listed) else None)

    def _likes(self) -> tuple[str, ...]:
        """The groups of anybody who is what the gate is there."""
        me = self._seen.me
        account = isinstance(me, UserInfo) and _ACCOUNTS in me.groups and self._seen.impersonates.get("groups") is True
        return (_ACCOUNTS,) if account else ()

    def _somebody(self) -> Impersonation | None:
        rules = tuple(rule for each in self._seen.rules if isinstance(each, Listed) for rule in each.rules)
        may = {kind: gate_rights.impersonation(kind, answer is True, rules) for kind, answer in self._seen.impersonates.items()}

        def some(kind: str) -> str:
            if may.get(kind) is Granted.ALL:
                return TRIED_AS
            return next(iter(names_of(kind, rules)), "") if may.get(kind) is Granted.SOME else ""

        user, group, uid = some("users"), some("groups"), some("uids")
        extra = ((EXTRA_KEY, (TRIED_AS,)),) if may.get("userextras") is Granted.ALL else ()
        return Impersonation(user, (group,) if group else (), uid, extra) if user else None

    # --- the credential

    def _validity(self) -> Validity:
        """Of what was shown: the certificate, or the token, whichever ends first."""
        given = [Validity(None, self._credential.expires)]
        pair, bearer = self._credential.certificate, self._credential.bearer
        if pair is not None:
            given.append(_leaf_validity(pair[0]))
        if bearer is not None:
            given.append(token_validity(bearer))
        return min((each for each in given if each.ends is not None), key=lambda each: each.ends or 0.0, default=Validity())


def token_validity(token: bytes) -> Validity:
    """What a token says of itself, unverified: the cluster's word counts, this only warns. Nothing where it is no JWT (RFC 7519)."""
    parts = token.split(b".")
    if len(parts) != 3:
        return Validity()
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4)))
    except ValueError:
        return Validity()
    if not isinstance(claims, dict):
        return Validity()
    begins, ends = (claims.get(name) for name in ("iat", "exp"))
    return Validity(_number(begins), _number(ends))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _leaf_validity(pem: bytes) -> Validity:
    try:
        leaf = x509.load_pem_x509_certificate(pem)
    except ValueError:
        return Validity()
    return _of(leaf)


def _of(certificate: x509.Certificate) -> Validity:
    return Validity(certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp())


def _served(der: bytes | None) -> Served | None:
    if der is None:
        return None
    try:
        certificate = x509.load_der_x509_certificate(der)
        issuer, subject = (one_line(each.rfc4514_string(), _LONGEST) for each in (certificate.issuer, certificate.subject))
        return Served(subject, issuer, _names(certificate), _of(certificate))
    except ValueError:  # whatever a stranger put there
        return None


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    given = (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))
    return tuple(one_line(each, 100) for each in given[:8])


def _source(access: ClusterAccess) -> tuple[Credential, str]:
    given = access.credential
    if given.plugin is not None:
        return Credential.PLUGIN, f"of the exec plugin {given.plugin.command}"
    if given.token_file:
        return Credential.TOKEN_FILE, f"the token in {given.token_file}"
    if given.token:
        return Credential.TOKEN, "a token"
    return Credential.CERTIFICATE, "a client certificate"


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return scheme + separator + rest.rpartition("@")[2]


def _namespaces(me: UserInfo | Unknown | None) -> tuple[str, ...]:
    """Where to ask for rights: a list is of one namespace. A service account has most of its own there."""
    own = me.user.removeprefix(_ACCOUNT).partition(":")[0] if isinstance(me, UserInfo) and me.user.startswith(_ACCOUNT) else ""
    return tuple(dict.fromkeys((*_NAMESPACES, own) if own else _NAMESPACES))


def _user(reply: Reply | Unknown) -> UserInfo | Unknown:
    if isinstance(reply, Unknown):
        return reply
    user = read_user(reply.body)
    return Unknown(reply.status, f"its answer has {user}") if isinstance(user, str) else user


def _rules(reply: Reply | Unknown) -> Listed | Unknown:
    if isinstance(reply, Unknown):
        return reply
    listed = read_list(reply.body)
    return Unknown(reply.status, f"its answer has {listed}") if isinstance(listed, str) else listed


def _version(reply: Reply) -> str | Unknown:
    try:
        document = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        document = None
    version = document.get("gitVersion") if isinstance(document, dict) else None
    return one_line(version, 60) if isinstance(version, str) else Unknown(reply.status, "its answer has no gitVersion")


def _words(body: bytes) -> str:
    """What a ``Status`` says; of anything else only that it is no answer of an API server."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    message = document.get("message") if isinstance(document, dict) else None
    return one_line(message, _LONGEST) if isinstance(message, str) else "what answers is no API server, or hides it"


def _part(upstream: ClusterUpstream, turn: Turn) -> None:
    """Let go of its connections."""
    upstream.close()
    for leg in list(upstream.pool.legs):
        leg.transport.abort()
    turn.flush()
