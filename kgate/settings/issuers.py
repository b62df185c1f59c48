"""``identity``: issuers of tokens, how people sign in with them, whom else to ask about a token, and who tells of what happened since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

from kgate.documents.structuring import nearest
from kgate.documents.values import Duration, Unacceptable, accept
from kgate.identity.issuer_configuration import Issuer, IssuerConfiguration, load_authentication_configuration, repeated
from kgate.settings.clusters import ClusterSettings
from kgate.settings.operation import SecretsSettings
from kgate.settings.reading import Place, Reading
from kgate.settings.values import ClusterName, FilePath, ServerUrl
from kgate.store.sealing import MAKE_ONE

_PROMPTS = (None, "", "consent", "login", "select_account")


@frozen
class LoginSettings:
    """How people sign in on the gate's page, or by ``kgate login``, with one identity provider."""

    client_id: str
    client_secret_file: FilePath | None = None
    """None for a public client."""
    name: str | None = None
    """What the button says; default: the provider's host."""
    scopes: tuple[str, ...] = ("openid", "profile", "email", "offline_access")
    """``offline_access`` lets the gate ask the provider again and again whether it still stands by the sign-in."""
    acr_values: tuple[str, ...] = ()
    """What ``kgate login --step-up`` asks the provider for."""
    prompt: str | None = None
    """What any sign-in asks the provider to show; ``""`` is nothing. By default ``consent`` where ``offline_access`` is among the scopes."""

    def __attrs_post_init__(self) -> None:
        accept(
            None if self.client_id else Unacceptable("is empty", "write the id that the provider knows this gate by", ("client_id",)),
            None if "openid" in self.scopes else Unacceptable("lacks openid", "without it nobody says who signed in", ("scopes",)),
            None if self.prompt in _PROMPTS else Unacceptable("is no prompt", 'write consent, login, select_account, or ""', ("prompt",)),
        )


@frozen
class IntrospectionSettings:
    """How an issuer's opaque tokens are asked about (RFC 7662)."""

    client_id: str
    client_secret_file: FilePath
    cache: Duration = field(default=Duration(60.0))
    """How long a yes holds: so long a token goes on that was revoked meanwhile."""
    token_prefix: str = ""
    """What the issuer's opaque tokens begin with. One without asks about all that no other claims."""


@frozen
class ServiceAccountSettings:
    """A cluster whose service accounts may come with their own tokens, judged by its TokenReview."""

    cluster: ClusterName
    audiences: tuple[str, ...]
    """What tokens must be made for: kubectl create token NAME --audience …"""
    clusters: tuple[str, ...] = ()
    """Globs of the clusters that they may reach; by default their own."""
    prefix: str | None = None
    """Before their user and group names; by default the cluster's name and a colon. Without one (``""``) they are the cluster's own names: only a rule
    with ``as`` carries those upstream, and they can reach no other cluster."""
    cache: Duration = field(default=Duration(60.0))

    def __attrs_post_init__(self) -> None:
        elsewhere = any(each != self.cluster for each in self.clusters)
        accept(
            None if self.audiences and all(self.audiences) else Unacceptable("names nobody", "write [kgate]", ("audiences",)),
            Unacceptable("is needed where other clusters may be reached", f'write prefix: "{self.cluster}:"', ("prefix",))
            if elsewhere and self.prefix == ""
            else None,
        )


@frozen
class OidcSettings(IssuerConfiguration):
    """An issuer of tokens: the fields of Kubernetes' AuthenticationConfiguration, and how people sign in with it."""

    login: LoginSettings | None = None
    introspection: IntrospectionSettings | None = None
    userinfo: bool = False
    """Whether the issuer is asked for the groups that a token does not have, with the token itself."""


@frozen
class SignalSettings:
    """A transmitter of security events (Shared Signals: CAEP, RISC) whose word counts."""

    issuer: Issuer
    """As an issuer of ``oidc`` is written; its keys are found by ``/.well-known/ssf-configuration`` unless it is one of those, or says otherwise."""
    about: str | None = None
    """The issuer whose people it speaks of, where that is another one."""
    poll: ServerUrl | None = None
    """Where to fetch its events (RFC 8936); otherwise it pushes them to ``/kgate/v1/signals``."""
    token_file: FilePath | None = None
    """What ``poll`` is asked with."""

    def __attrs_post_init__(self) -> None:
        accept(
            None
            if (self.poll is None) == (self.token_file is None)
            else Unacceptable("needs poll and token_file together", "name the file with the token that the transmitter gave you")
        )


@frozen
class LoginAt:
    """How people sign in with one issuer."""

    configuration: IssuerConfiguration
    settings: LoginSettings
    secret: str = field(repr=False)
    """The gate's, as that issuer's client; empty for a public one."""


@frozen(eq=False)
class IntrospectionAt:
    """How one issuer's opaque tokens are asked about."""

    configuration: IssuerConfiguration
    settings: IntrospectionSettings
    secret: str = field(repr=False)


def all_issuers(reading: Reading, oidc: Sequence[OidcSettings], file: Path | None) -> tuple[IssuerConfiguration, ...]:
    """Those of both places, which must not name one twice."""
    place: Place = ("identity", "authentication_configuration")
    moved = (reading.document(place, file, load_authentication_configuration) or ()) if file is not None else ()
    for text, hint in repeated((*oidc, *moved)):
        reading.sections.fault(("identity", "oidc") if oidc else place, text, hint)
    return (*oidc, *moved)


def all_logins(reading: Reading, oidc: Sequence[OidcSettings], secrets: SecretsSettings | None) -> tuple[LoginAt, ...]:
    """The issuers that people sign in with, and the gate's secret at each."""
    found: list[LoginAt] = []
    for number, issuer in enumerate(oidc):
        if issuer.login is None:
            continue
        place: Place = ("identity", "oidc", number, "login")
        file = issuer.login.client_secret_file
        secret = _client_secret(reading, place, file) if file is not None else ""
        if secrets is None:
            reading.sections.fault(place, "needs secrets.key_file, which encrypts what the provider gives", MAKE_ONE)
        found.append(LoginAt(issuer, issuer.login, secret))
    return tuple(found)


def _client_secret(reading: Reading, place: Place, file: Path) -> str:
    """What the gate shows an issuer as its client."""
    raw = reading.bytes_of((*place, "client_secret_file"), file)
    secret = (raw or b"").decode("utf-8", "replace").strip()
    if raw is not None and (not secret or not secret.isprintable()):
        reading.sections.fault((*place, "client_secret_file"), f"{file} holds no secret", "put there what the provider gave you")
    return secret


def all_introspections(reading: Reading, oidc: Sequence[OidcSettings]) -> tuple[IntrospectionAt, ...]:
    """Whom to ask about opaque tokens, the longest prefix first. Each token is shown to one issuer only: another could use it."""
    found: list[IntrospectionAt] = []
    for number, issuer in enumerate(oidc):
        if issuer.introspection is not None:
            place: Place = ("identity", "oidc", number, "introspection")
            secret = _client_secret(reading, place, issuer.introspection.client_secret_file)
            if issuer.introspection.token_prefix in {each.settings.token_prefix for each in found}:
                hint = "give each its own: opaque tokens say by it whom to ask"
                reading.sections.fault((*place, "token_prefix"), "is the same at two issuers", hint)
            found.append(IntrospectionAt(issuer, issuer.introspection, secret))
    return tuple(sorted(found, key=lambda each: len(each.settings.token_prefix), reverse=True))


def check_service_accounts(reading: Reading, accounts: Sequence[ServiceAccountSettings], clusters: Mapping[str, ClusterSettings]) -> None:
    """Clusters that are configured, each with audiences of its own."""
    seen: set[str] = set()
    for number, each in enumerate(accounts):
        place: Place = ("identity", "service_accounts", number)
        if clusters and each.cluster not in clusters:
            reading.sections.fault((*place, "cluster"), f"{each.cluster} is not configured", nearest(each.cluster, clusters))
        for audience in each.audiences:
            if audience in seen:
                hint = "give each cluster its own: a token says by it whom to ask"
                reading.sections.fault((*place, "audiences"), f"{audience} stands at two clusters", hint)
            seen.add(audience)
