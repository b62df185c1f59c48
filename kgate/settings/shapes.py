"""What the configuration file may say. Paths are absolute here: in the file they are relative to it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NewType

from attrs import field, frozen

from kgate.documents.values import Address, Duration, Network, Unacceptable, accept
from kgate.identity.certificates import CertificateText, CertificateTexts
from kgate.identity.devices import BodyItems, ItemCondition, ItemText, ItemValue
from kgate.identity.issuer_configuration import Issuer, IssuerConfiguration
from kgate.identity.people import Merge
from kgate.identity.tokens import Digest
from kgate.model import Cluster
from kgate.settings.authorizers import AuthorizerSettings
from kgate.settings.paths import FilePath
from kgate.store.directory import KnownAs

MOST_TOKEN_SECONDS = 600.0
"""A gate token lives at most so long."""

PublicUrl = NewType("PublicUrl", str)
"""``https://host[:port]``."""
ServerUrl = NewType("ServerUrl", str)
"""``https://host[:port][/path]``."""
ProxyUrl = NewType("ProxyUrl", str)
"""``http://[user:password@]host:port`` of a forward proxy, or ``https://``, ``socks5://``."""
HostName = NewType("HostName", str)
StateUrl = NewType("StateUrl", str)
"""``sqlite:///FILE`` (absolute here) or ``postgresql+psycopg://…``."""
DEFAULT_STATE = StateUrl("sqlite:///state.db")
"""Beside the configuration file."""
ClusterName = NewType("ClusterName", str)
LabelKey = NewType("LabelKey", str)
SourceName = NewType("SourceName", str)
FactName = NewType("FactName", str)
Count = NewType("Count", int)
"""A whole number, at least one."""


@frozen
class Tls:
    """A listener's certificate chain and key, PEM."""

    certificate: FilePath
    key: FilePath


@frozen
class ProxyProtocol:
    """Balancers whose PROXY protocol v2 header is required and believed; nobody else may send one."""

    trusted: tuple[Network, ...]

    def __attrs_post_init__(self) -> None:
        accept(None if self.trusted else Unacceptable("is an empty list", "name the balancers' networks", ("trusted",)))


@frozen
class Listen:
    """One public address."""

    address: Address
    tls: Tls
    proxy_protocol: ProxyProtocol | None = None


@frozen
class ClusterSettings:
    """A cluster: either a kubeconfig and a context in it, or a server and the gate's credential for it."""

    kubeconfig: FilePath | None = None
    context: str | None = None
    server: ServerUrl | None = None
    certificate_authority: FilePath | None = None
    token_file: FilePath | None = None
    client_certificate: FilePath | None = None
    client_key: FilePath | None = None
    tls_server_name: HostName | None = None
    proxy_url: ProxyUrl | None = None
    insecure_skip_tls_verify: bool = False
    """A relaxation, warned of at each start."""
    labels: Mapping[LabelKey, str] = field(factory=dict)
    hosts: tuple[HostName, ...] = ()
    """Host names of the gate that mean this cluster."""

    def __attrs_post_init__(self) -> None:
        accept(*(self._kubeconfig_faults() if self.kubeconfig is not None else self._server_faults()))

    def as_policy_sees_it(self, name: str) -> Cluster:
        """The model's value."""
        return Cluster(name, tuple(sorted(self.labels.items())))

    def _kubeconfig_faults(self) -> list[Unacceptable]:
        beside = ("server", "certificate_authority", "token_file", "client_certificate", "client_key", "tls_server_name", "proxy_url")
        return [Unacceptable("does not go with kubeconfig", "say it there", (key,)) for key in beside if getattr(self, key) is not None]

    def _server_faults(self) -> list[Unacceptable | None]:
        if self.server is None:
            return [Unacceptable("has neither kubeconfig nor server", "say how to reach the cluster")]
        certificate, token = self.client_certificate is not None, self.token_file is not None
        return [
            Unacceptable("goes only with kubeconfig", "take it out", ("context",)) if self.context is not None else None,
            None if token or certificate else Unacceptable("has no credential", "name token_file, or client_certificate and client_key"),
            None if certificate == (self.client_key is not None) else Unacceptable("needs client_certificate and client_key together"),
            None
            if not (self.insecure_skip_tls_verify and self.certificate_authority)
            else Unacceptable("does not go with certificate_authority", "take one of them out", ("insecure_skip_tls_verify",)),
        ]


@frozen
class TokensFile:
    """Static tokens."""

    file: FilePath


@frozen
class ClientCertificateAuthority:
    """Who signs people's certificates, PEM; their lists of revoked ones; and how names are read where not from CN and O."""

    authority: FilePath
    crl: tuple[FilePath, ...] = ()
    username: CertificateText | None = None
    groups: CertificateTexts | None = None


ClientCertificateAuthorities = NewType("ClientCertificateAuthorities", tuple[ClientCertificateAuthority, ...])
"""One, or a list of several."""


@frozen
class InventoryApi:
    """An inventory that is asked over HTTPS, and how its answer is read."""

    url: ServerUrl
    items: BodyItems
    name: ItemText
    compliant: ItemCondition | None = None
    posture: Mapping[str, ItemValue] = field(factory=dict)
    certificate_authority: FilePath | None = None
    token_file: FilePath | None = None
    """What the gate shows there, as a bearer token; read again each time."""
    every: Duration = field(default=Duration(60.0))
    keep: Duration = field(default=Duration(900.0))
    """How long what is known holds while the inventory does not answer; then nothing is known."""
    push_sha256: Digest | None = None
    """Digest of the token with which the inventory says that something changed (POST /kgate/v1/devices/changed)."""


@frozen
class DeviceSettings:
    """Who signs devices' certificates, and what is known of devices."""

    authority: FilePath
    crl: tuple[FilePath, ...] = ()
    name: CertificateText | None = None
    """Default: the common name."""
    file: FilePath | None = None
    api: InventoryApi | None = None

    def __attrs_post_init__(self) -> None:
        accept(Unacceptable("goes not with file", "keep one inventory", ("api",)) if self.file and self.api else None)


class GroupSource(Enum):
    """A roster of ``identity.groups.sources``."""

    TOKEN = "token"
    """What the credential itself says."""
    FILE = "file"
    SCIM = "scim"
    """What the company's directory pushed."""


@frozen
class ScimSettings:
    """The company's directory pushes people and groups to ``/scim/v2``."""

    robots: tuple[str, ...]
    """Names of the static tokens that may push."""
    known_as: KnownAs = KnownAs.USER_NAME
    """Which of a person's names the gate knows them by."""

    def __attrs_post_init__(self) -> None:
        accept(None if self.robots else Unacceptable("is an empty list", "name the token that the directory has", ("robots",)))


@frozen
class GroupSettings:
    """Where people's groups come from, the most trusted source first."""

    sources: tuple[GroupSource, ...]
    merge: Merge = Merge.UNION
    file: FilePath | None = None

    def __attrs_post_init__(self) -> None:
        twice = len(set(self.sources)) != len(self.sources)
        accept(
            None if self.sources else Unacceptable("is an empty list", "write sources: [token]", ("sources",)),
            Unacceptable("names a source twice", "keep one", ("sources",)) if twice else None,
            None
            if (GroupSource.FILE in self.sources) == (self.file is not None)
            else Unacceptable("needs file among its sources and a file together", "write sources: [token, file] and file: groups.yaml"),
        )


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

    def __attrs_post_init__(self) -> None:
        accept(
            None if self.client_id else Unacceptable("is empty", "write the id that the provider knows this gate by", ("client_id",)),
            None if "openid" in self.scopes else Unacceptable("lacks openid", "without it nobody says who signed in", ("scopes",)),
        )


@frozen
class IntrospectionSettings:
    """How an issuer's opaque tokens are asked about (RFC 7662)."""

    client_id: str
    client_secret_file: FilePath
    cache: Duration = field(default=Duration(60.0))
    """How long a yes holds: so long a token goes on that was revoked meanwhile."""


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
class IdentitySettings:
    """Where people and programs come from."""

    tokens: TokensFile | None = None
    client_certificates: ClientCertificateAuthorities = ClientCertificateAuthorities(())
    devices: DeviceSettings | None = None
    groups: GroupSettings | None = None
    scim: ScimSettings | None = None
    signals: tuple[SignalSettings, ...] = ()
    oidc: tuple[OidcSettings, ...] = ()
    service_accounts: tuple[ServiceAccountSettings, ...] = ()
    authentication_configuration: FilePath | None = None
    """Kubernetes' file of the same; its issuers stand beside those of ``oidc``."""

    def __attrs_post_init__(self) -> None:
        files = self.tokens or self.client_certificates or self.devices
        anybody = files or self.oidc or self.authentication_configuration or self.service_accounts
        from_directory = self.groups is not None and GroupSource.SCIM in self.groups.sources
        accept(
            None if anybody else Unacceptable("lets nobody in", "name oidc, tokens or client_certificates"),
            Unacceptable("names scim, and there is none", "write scim: {robots: [NAME]}", ("groups", "sources"))
            if from_directory and self.scim is None
            else None,
        )


class AuditMode(Enum):
    """Whether a request waits for its record."""

    STRICT = "strict"
    """Nothing goes upstream before its record is durable."""
    BEST_EFFORT = "best_effort"
    """A relaxation: requests go on where records cannot be written."""


@frozen
class AuditSettings:
    """Where the records go."""

    directory: FilePath
    mode: AuditMode = AuditMode.STRICT


@frozen
class SecretsSettings:
    """What secrets are encrypted with that the gate must use again."""

    key_file: FilePath
    """One key a line, the newest first."""


@frozen
class SignInSettings:
    """How long what a sign-in gives lasts."""

    session: Duration = field(default=Duration(12 * 3600.0))
    """At most, from the sign-in."""
    token: Duration = field(default=Duration(300.0))
    """A gate token; kgate credential gets the next one by itself."""
    recheck: Duration = field(default=Duration(300.0))
    """How often the identity provider is asked whether it still stands by a session."""
    unreachable: Duration = field(default=Duration(3600.0))
    """How long sessions go on while it cannot be asked."""

    def __attrs_post_init__(self) -> None:
        accept(None if self.token <= MOST_TOKEN_SECONDS else Unacceptable("is too long", "10m is the most", ("token",)))


@frozen
class AdminSettings:
    """/healthz, /readyz and /metrics, in clear text and without credentials: for this machine or a closed network."""

    address: Address


@frozen
class LimitSettings:
    """How much one client may take."""

    streams: Count = Count(100)
    """Requests at once on one HTTP/2 connection."""
    connections: Count = Count(10_000)
    """Client connections at once, of one process."""
    connections_per_address: Count = Count(1_000)
    sign_ins_per_address: Count = Count(600)
    """Sign-ins that one address may begin in a minute."""


@frozen
class DeadlineSettings:
    """How long each step may take."""

    handshake: Duration = field(default=Duration(5.0))
    head: Duration = field(default=Duration(10.0))
    """From a request's first byte to the end of its head."""
    connect: Duration = field(default=Duration(5.0))
    """TCP and TLS to a cluster."""
    answer: Duration = field(default=Duration(75.0))
    """From the end of a request to the head of its answer; watches and upgrades included, for they answer at once."""
    body: Duration = field(default=Duration(30.0))
    """How long a request's body may stand still."""
    reader: Duration = field(default=Duration(120.0))
    """How long the client may take nothing of an answer that is there; watches, logs -f and tunnels may wait for ever."""
    idle: Duration = field(default=Duration(600.0))
    """A client connection without a request."""


@frozen
class GeoSettings:
    """Geo data in MaxMind's format, read again when they change."""

    country: FilePath | None = None
    asn: FilePath | None = None

    def __attrs_post_init__(self) -> None:
        accept(None if self.country or self.asn else Unacceptable("names no file", "name country, asn, or both"))


@frozen
class FactSource:
    """A source of facts: a ``file``, a ``url`` that is asked again and again, or the holder of a key who sends signed messages."""

    source: SourceName
    file: FilePath | None = None
    url: ServerUrl | None = None
    key_file: FilePath | None = None
    max_age: Duration | None = None
    """How long after it was written, fetched or signed a fact is known."""
    names: tuple[FactName, ...] = ()
    """The facts that it may tell; empty is any."""
    every: Duration = field(default=Duration(15.0))
    certificate_authority: FilePath | None = None
    token_file: FilePath | None = None

    def __attrs_post_init__(self) -> None:
        ways = [name for name in ("file", "url", "key_file") if getattr(self, name) is not None]
        only_url = [name for name in ("certificate_authority", "token_file") if getattr(self, name) is not None and self.url is None]
        accept(
            None if len(ways) == 1 else Unacceptable("needs one of file, url and key_file", "write two sources where two are meant"),
            None if self.max_age is not None or self.file is not None else Unacceptable("needs max_age", "write max_age: 5m"),
            None if self.names or self.key_file is None else Unacceptable("needs names", "say which facts its messages may tell"),
            *(Unacceptable("goes only with url", "take it out", (name,)) for name in only_url),
        )


@frozen
class Settings:
    """The whole file."""

    listen: tuple[Listen, ...]
    public_url: PublicUrl
    clusters: Mapping[ClusterName, ClusterSettings]
    identity: IdentitySettings
    policy: FilePath
    audit: AuditSettings
    shadow: FilePath | None = None
    """A policy that is asked the same as the one in force and decides nothing: what it says otherwise is counted and on record."""
    state: StateUrl = field(default=DEFAULT_STATE, repr=False)
    """Where sessions and whatever else several gates share are kept; its URL may hold a password."""
    secrets: SecretsSettings | None = None
    sign_in: SignInSettings = SignInSettings()
    public_certificate_authority: FilePath | None = None
    """Who signs the listeners' certificates (PEM), for the kubeconfigs that people get; None where their systems trust it."""
    geo: GeoSettings | None = None
    facts: tuple[FactSource, ...] = ()
    """Where facts come from, the source that counts first first."""
    authorizers: tuple[AuthorizerSettings, ...] = ()
    """Who else must allow what the policy allows."""
    admin: AdminSettings | None = None
    limits: LimitSettings = LimitSettings()
    deadlines: DeadlineSettings = DeadlineSettings()
    drain: Duration = field(default=Duration(30.0))
    """How long live streams may go on after SIGTERM."""
    workers: Count = Count(1)
