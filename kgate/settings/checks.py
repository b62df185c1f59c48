"""What only shows when the parts of a configuration are held against each other and against the files that they name.

Everything that a start needs is read here, once: the policy, the tokens, the authorities, the certificates. A start, a reload and ``kgate check`` all
come this way; what they get is whole, or a list of every mistake in every file. Nothing is connected to.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from attrs import define, field, frozen
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import CertificateRevocationList

from kgate.documents.reading import decode
from kgate.documents.structuring import nearest
from kgate.documents.values import Unacceptable
from kgate.errors import InvalidFileError, Mistake
from kgate.identity.authenticator import Authenticator, Source
from kgate.identity.certificates import ClientCertificates, PeopleAuthority
from kgate.identity.devices import Devices, load_devices
from kgate.identity.directory import Directory
from kgate.identity.issuer_configuration import IssuerConfiguration, load_authentication_configuration, repeated
from kgate.identity.notices import Notices
from kgate.identity.people import Credential, People, Roster
from kgate.identity.roster_file import RosterFile, load_roster
from kgate.identity.tokens import Tokens, load_tokens
from kgate.identity.trust import Trust, load_authorities, load_lists
from kgate.kube.kubeconfig import ClusterAccess, parse_kubeconfig, token_of
from kgate.model import Device
from kgate.policy.evaluate import Policy
from kgate.policy.load import load_policy
from kgate.policy.trial import failures
from kgate.settings.authorizers import AuthorizerSettings, WebhookSettings
from kgate.settings.certificates import Finding, authority_findings, client_pair_findings, listener_findings
from kgate.settings.clusters import access_of
from kgate.settings.files import Read, read_file, unreadable
from kgate.settings.load import Sections, read_sections
from kgate.settings.policies import policy_text
from kgate.settings.shapes import (
    AdminSettings,
    AuditMode,
    AuditSettings,
    ClusterSettings,
    FactSource,
    GroupSource,
    IdentitySettings,
    IntrospectionSettings,
    Listen,
    LoginSettings,
    SecretsSettings,
    Settings,
)
from kgate.store.sealing import MAKE_ONE, read_keys
from kgate.surroundings.document import Unreadable, told
from kgate.surroundings.push import LEAST_KEY

PLUGINS = "kgate.authorizers"
"""The entry points of third parties' authorizers."""
T = TypeVar("T")
Place = tuple[str | int, ...]


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


@frozen(eq=False)
class DeviceSources:
    """What ``identity.devices`` names. ``api_authority`` is PEM: whom to trust for its API."""

    trust: Trust
    listed: Mapping[str, Device]
    api_authority: str | None


@frozen(eq=False)
class Configuration:
    """Settings and what they name, ready to start or to replace what runs."""

    settings: Settings
    access: Mapping[str, ClusterAccess]
    """How to reach each cluster, by its name; token files are not in it, they are read again and again."""
    policy: Policy
    shadow: Policy | None
    """A candidate that decides nothing."""
    tokens: Tokens | None
    people: tuple[PeopleAuthority, ...]
    """Who signs people's certificates; empty where none are asked for."""
    devices: DeviceSources | None
    """Who signs devices' certificates, and what a file says of devices."""
    issuers: tuple[IssuerConfiguration, ...]
    """Those of ``identity.oidc``, then those of ``identity.authentication_configuration``."""
    logins: tuple[LoginAt, ...]
    """Those of ``identity.oidc`` that people sign in with."""
    introspections: tuple[IntrospectionAt, ...]
    """That of ``identity.oidc`` which is asked about opaque tokens; at most one."""
    webhooks: Mapping[str, ClusterAccess]
    """How to reach each of the authorizers that are webhooks, by its name."""
    roster: RosterFile | None
    """The groups of ``identity.groups.file``."""
    public_authority: bytes | None
    """That of ``public_certificate_authority``, PEM."""
    sealing_keys: tuple[bytes, ...] = field(repr=False)
    """Those of ``secrets.key_file``; empty where there is none."""
    warnings: tuple[Mistake, ...]

    @property
    def authority_pem(self) -> str | None:
        """Whose client certificates the listener's TLS takes; None where it asks for none."""
        trusts = [each.trust for each in self.people] + ([self.devices.trust] if self.devices is not None else [])
        pems = [each.public_bytes(Encoding.PEM).decode() for trust in trusts for each in trust.authorities]
        return "".join(pems) or None

    def authenticator(
        self, *sources: Source, directory: Directory | None = None, notices: Notices | None = None, devices: Devices | None = None
    ) -> Authenticator:
        """Who may ask, by these files and by further ``sources``, which are asked after them; ``directory`` and ``notices`` say who is out."""
        bearers = (self.tokens, *sources) if self.tokens is not None else sources
        people = ClientCertificates(self.people) if self.people else None
        return Authenticator(bearers, people, self._people(directory), notices, devices)

    def _people(self, directory: Directory | None) -> People:
        """The rosters as they are configured. A directory that is pushed says who is out even where its groups do not count."""
        groups, scim = self.settings.identity.groups, self.settings.identity.scim
        known = directory if scim is not None else None
        if groups is None:
            return People([Credential()], out=known) if known is not None else People(())
        rosters: dict[GroupSource, Roster | None] = {
            GroupSource.TOKEN: Credential(),
            GroupSource.FILE: self.roster,
            GroupSource.SCIM: known,
        }
        return People([roster for source in groups.sources if (roster := rosters[source]) is not None], groups.merge, out=known)


def load_configuration(path: Path, now: float, read: Read = read_file, *, running: bool = False) -> Configuration:
    """Everything that the file at ``path`` says and names. ``now`` (Unix seconds) is held against certificates.

    To a gate that is ``running`` a certificate that has expired is a warning: it opens nothing to anybody, whereas refusing the whole would keep a
    policy in force that somebody is just taking a right out of.

    Raises InvalidFileError with every mistake in every file, UsageError where ``path`` itself cannot be read.
    """
    checks = _Checks(read_sections(path, read), read, now, running)
    get = checks.sections.values.get
    checks.listeners(get("listen") or (), get("public_url") or "")
    checks.clusters(get("clusters") or {}, get("public_url") or "")
    tokens = checks.tokens(get("identity"))
    people, devices = checks.people(get("identity")), checks.devices(get("identity"))
    issuers = checks.issuers(get("identity"))
    logins = checks.logins(get("identity"), get("secrets"))
    introspections = checks.introspections(get("identity"))
    checks.service_accounts(get("identity"), get("clusters") or {})
    roster = checks.roster(get("identity"))
    keys = checks.sealing_keys(get("secrets"))
    public = checks.public_authority(get("public_certificate_authority"))
    policy = checks.policy(("policy",), get("policy"))
    checks.facts(get("facts") or ())
    webhooks = checks.authorizers(get("authorizers") or ())
    shadow = checks.policy(("shadow",), get("shadow"))
    checks.relaxations(get("audit"), get("admin"))
    settings = checks.sections.settings()
    if policy is None:
        raise AssertionError("a policy is there, or a mistake that says why not")
    checks.names(policy, settings)
    warnings = (*checks.warnings, *policy.warnings, *(tokens.warnings if tokens else ()))
    return Configuration(
        settings=settings,
        access=checks.access,
        policy=policy,
        shadow=shadow,
        tokens=tokens,
        people=people,
        devices=devices,
        issuers=issuers,
        logins=logins,
        introspections=introspections,
        webhooks=webhooks,
        roster=roster,
        public_authority=public,
        sealing_keys=keys,
        warnings=warnings,
    )


@define
class _Checks:
    """One reading, as far as it got."""

    sections: Sections
    read: Read
    now: float
    running: bool
    warnings: list[Mistake] = field(factory=list)
    access: dict[str, ClusterAccess] = field(factory=dict)

    def listeners(self, listen: Iterable[Listen], public_url: str) -> None:
        """Certificates and addresses."""
        seen: dict[object, int] = {}
        for number, each in enumerate(listen):
            place: Place = ("listen", number)
            if each.address.port and seen.setdefault(each.address, number) != number:
                self.sections.fault((*place, "address"), f"{each.address} stands here twice", "take one out")
            certificate = self.bytes_of((*place, "tls", "certificate"), each.tls.certificate)
            key = self.bytes_of((*place, "tls", "key"), each.tls.key)
            if certificate is not None and key is not None:
                self.note((*place, "tls"), listener_findings(certificate, key, urlsplit(public_url).hostname or "", self.now))
        if "listen" in self.sections.values and not seen and not self.sections.values["listen"]:
            self.sections.fault(("listen",), "is an empty list", "name at least one address")

    def clusters(self, clusters: dict[str, ClusterSettings], public_url: str) -> None:
        """Files, and host names that must mean one cluster each."""
        owners = {urlsplit(public_url).hostname or "": "public_url"}
        for name, cluster in clusters.items():
            for number, host in enumerate(cluster.hosts):
                owner = owners.setdefault(host, f"cluster {name}")
                if owner != f"cluster {name}":
                    self.sections.fault(("clusters", name, "hosts", number), f"{host} already means {owner}", "give it a name of its own")
            self._cluster(name, cluster)
        if self.sections.root.get("clusters") == {}:
            self.sections.fault(("clusters",), "names no cluster", "write clusters: {NAME: {kubeconfig: FILE}}")

    def _cluster(self, name: str, cluster: ClusterSettings) -> None:
        """The files of a cluster, and what they say of how to reach it."""
        place: Place = ("clusters", name)
        files = ("kubeconfig", "token_file", "certificate_authority", "client_certificate", "client_key")
        found = {key: self.bytes_of((*place, key), path) for key in files if (path := getattr(cluster, key)) is not None}
        if None in found.values():
            return
        if token_of(found.get("token_file") or b"x") is None or found.get("token_file") == b"":
            self.sections.fault(
                (*place, "token_file"), f"{cluster.token_file} holds no token", "put the cluster's token for the gate there"
            )
        try:
            access = self.access[name] = access_of(name, cluster, self.read)
        except InvalidFileError as error:
            self.sections.mistakes.extend(error.mistakes)
            return
        except Unacceptable as error:
            self.sections.fault((*place, "server"), error.text, error.hint)
            return
        self._trust(place, cluster, access)

    def _trust(self, place: Place, cluster: ClusterSettings, access: ClusterAccess) -> None:
        in_kubeconfig = cluster.kubeconfig is not None
        findings: list[Finding] = []
        if access.certificate_authority is not None:
            findings += authority_findings("certificate_authority", access.certificate_authority, self.now)
        if access.credential.certificate and access.credential.key:
            findings += client_pair_findings(access.credential.certificate, access.credential.key, self.now)
        self.note(place, [each._replace(key="kubeconfig", text=f"{each.key}: {each.text}") if in_kubeconfig else each for each in findings])
        if access.insecure:
            self.warn((*place, "insecure_skip_tls_verify"), "whoever is in between can be this cluster", "name its certificate_authority")
        elif cluster.insecure_skip_tls_verify:
            self.warn((*place, "insecure_skip_tls_verify"), "relaxes nothing: the kubeconfig does not skip it", "take it out")

    def tokens(self, identity: IdentitySettings | None) -> Tokens | None:
        """The file of static tokens."""
        tokens = identity.tokens if identity is not None else None
        return self.document(("identity", "tokens", "file"), tokens.file, load_tokens) if tokens is not None else None

    def people(self, identity: IdentitySettings | None) -> tuple[PeopleAuthority, ...]:
        """Who signs people's certificates."""
        found = []
        several = isinstance((self.sections.root.get("identity") or {}).get("client_certificates"), list)
        for number, each in enumerate(identity.client_certificates if identity is not None else ()):
            place: Place = ("identity", "client_certificates", *((number,) if several else ()))
            trust = self.trust(place, each.authority, each.crl)
            found += [PeopleAuthority(trust, each.username, each.groups)] if trust is not None else []
        return tuple(found)

    def devices(self, identity: IdentitySettings | None) -> DeviceSources | None:
        """Who signs devices' certificates, and the file of devices."""
        devices = identity.devices if identity is not None else None
        if devices is None:
            return None
        place: Place = ("identity", "devices")
        trust = self.trust(place, devices.authority, devices.crl)
        listed = self.document((*place, "file"), devices.file, load_devices) if devices.file is not None else {}
        authority = None
        if devices.api is not None and devices.api.certificate_authority is not None:
            raw = self.bytes_of((*place, "api", "certificate_authority"), devices.api.certificate_authority)
            self.note((*place, "api"), authority_findings("certificate_authority", raw, self.now) if raw is not None else ())
            authority = raw.decode("ascii", "replace") if raw is not None else None
        return DeviceSources(trust, listed or {}, authority) if trust is not None else None

    def trust(self, place: Place, authority: Path, crl: Iterable[Path]) -> Trust | None:
        """Authorities and their lists of revoked certificates; a list that is out of date is said, and refuses everybody of its authority."""
        pem = self.bytes_of((*place, "authority"), authority)
        findings = self.judged(authority_findings("authority", pem, self.now)) if pem is not None else []
        self.note(place, findings)
        if pem is None or any(finding.serious for finding in findings):
            return None
        try:
            authorities = load_authorities(pem)
        except ValueError as error:
            self.sections.fault((*place, "authority"), str(error), "name the certificate that signs certificates for clients")
            return None
        lists: list[CertificateRevocationList] = []
        for number, path in enumerate(crl):
            raw = self.bytes_of((*place, "crl", number), path)
            try:
                lists += load_lists(raw, authorities) if raw is not None else ()
            except Unacceptable as error:
                self.sections.fault((*place, "crl", number), f"{path} {error.text}", error.hint)
        for each in lists:
            until = each.next_update_utc
            if until is not None and until.timestamp() <= self.now:
                name = each.issuer.rfc4514_string()
                self.warn((*place, "crl"), f"the list of {name} is out of date: its certificates are refused", "fetch a new one")
        return Trust(authorities, tuple(lists))

    def issuers(self, identity: IdentitySettings | None) -> tuple[IssuerConfiguration, ...]:
        """Those of both places, which must not name one twice."""
        if identity is None:
            return ()
        file = identity.authentication_configuration
        place: Place = ("identity", "authentication_configuration")
        moved = (self.document(place, file, load_authentication_configuration) or ()) if file is not None else ()
        for text, hint in repeated((*identity.oidc, *moved)):
            self.sections.fault(("identity", "oidc") if identity.oidc else place, text, hint)
        return (*identity.oidc, *moved)

    def logins(self, identity: IdentitySettings | None, secrets: SecretsSettings | None) -> tuple[LoginAt, ...]:
        """The issuers that people sign in with, and the gate's secret at each."""
        found: list[LoginAt] = []
        for number, issuer in enumerate(identity.oidc if identity is not None else ()):
            if issuer.login is None:
                continue
            place: Place = ("identity", "oidc", number, "login")
            file = issuer.login.client_secret_file
            secret = self.client_secret(place, file) if file is not None else ""
            if secrets is None:
                self.sections.fault(place, "needs secrets.key_file, which encrypts what the provider gives", MAKE_ONE)
            found.append(LoginAt(issuer, issuer.login, secret))
        return tuple(found)

    def client_secret(self, place: Place, file: Path) -> str:
        """What the gate shows an issuer as its client."""
        raw = self.bytes_of((*place, "client_secret_file"), file)
        secret = (raw or b"").decode("utf-8", "replace").strip()
        if raw is not None and (not secret or not secret.isprintable()):
            self.sections.fault((*place, "client_secret_file"), f"{file} holds no secret", "put there what the provider gave you")
        return secret

    def introspections(self, identity: IdentitySettings | None) -> tuple[IntrospectionAt, ...]:
        """Whom to ask about opaque tokens. They do not say whose they are, so it can be only one."""
        found: list[IntrospectionAt] = []
        for number, issuer in enumerate(identity.oidc if identity is not None else ()):
            if issuer.introspection is not None:
                place: Place = ("identity", "oidc", number, "introspection")
                secret = self.client_secret(place, issuer.introspection.client_secret_file)
                if found:
                    self.sections.fault(place, "is the second one, and an opaque token does not say whose it is", "keep one")
                found.append(IntrospectionAt(issuer, issuer.introspection, secret))
        return tuple(found)

    def service_accounts(self, identity: IdentitySettings | None, clusters: Mapping[str, ClusterSettings]) -> None:
        """Clusters that are configured, each with audiences of its own."""
        seen: set[str] = set()
        for number, each in enumerate(identity.service_accounts if identity is not None else ()):
            place: Place = ("identity", "service_accounts", number)
            if clusters and each.cluster not in clusters:
                self.sections.fault((*place, "cluster"), f"{each.cluster} is not configured", nearest(each.cluster, clusters))
            for audience in each.audiences:
                if audience in seen:
                    hint = "give each cluster its own: a token says by it whom to ask"
                    self.sections.fault((*place, "audiences"), f"{audience} stands at two clusters", hint)
                seen.add(audience)

    def roster(self, identity: IdentitySettings | None) -> RosterFile | None:
        """The file of groups, where there is one."""
        groups = identity.groups if identity is not None else None
        return self.document(("identity", "groups", "file"), groups.file, load_roster) if groups is not None else None

    def public_authority(self, path: Path | None) -> bytes | None:
        """Who signs the listeners' certificates."""
        pem = self.bytes_of(("public_certificate_authority",), path) if path is not None else None
        if pem is not None:
            self.note((), authority_findings("public_certificate_authority", pem, self.now))
        return pem

    def sealing_keys(self, secrets: SecretsSettings | None) -> tuple[bytes, ...]:
        """What secrets are encrypted with."""
        place: Place = ("secrets", "key_file")
        raw = self.bytes_of(place, secrets.key_file) if secrets is not None else None
        if raw is None:
            return ()
        try:
            return read_keys(raw)
        except Unacceptable as error:
            self.sections.fault(place, error.text, error.hint)
            return ()

    def facts(self, sources: Iterable[FactSource]) -> None:
        """Files that must be there, and those of facts that may come later but must be right where they are."""
        for number, each in enumerate(sources):
            place: Place = ("facts", number)
            for key in ("certificate_authority", "token_file"):
                if (path := getattr(each, key)) is not None:
                    self.bytes_of((*place, key), path)
            key_bytes = self.bytes_of((*place, "key_file"), each.key_file) if each.key_file is not None else None
            if key_bytes is not None and len(key_bytes.strip()) < LEAST_KEY:
                self.sections.fault((*place, "key_file"), f"{each.key_file} is shorter than {LEAST_KEY} characters", "openssl rand -hex 32")
            if each.file is not None:
                self._fact_file((*place, "file"), each.file, each.names)

    def _fact_file(self, place: Place, path: Path, names: Iterable[str]) -> None:
        try:
            found = told(self.read(path), names)
        except OSError as error:
            self.warn(place, f"{unreadable(path, error)}; its facts are unknown until it can be read", "put {} there for no facts")
            return
        if isinstance(found, Unreadable):
            self.sections.fault(place, f"{path} {found.text}", "write a mapping: {incident: {open: false}}")

    def authorizers(self, authorizers: Iterable[AuthorizerSettings]) -> dict[str, ClusterAccess]:
        """Kubeconfigs, files and plugins that must be there."""
        found: dict[str, ClusterAccess] = {}
        for number, each in enumerate(authorizers):
            place: Place = ("authorizers", number)
            if each.webhook is not None:
                access = self._webhook((*place, "webhook", "kubeconfig"), each.webhook)
                if access is not None:
                    found[each.name] = access
            for key in ("certificate_authority", "token_file"):
                if each.opa is not None and (path := getattr(each.opa, key)) is not None:
                    self.bytes_of((*place, "opa", key), path)
            installed = entry_points(group=PLUGINS).names if each.plugin is not None else frozenset()
            if each.plugin is not None and each.plugin.name not in installed:
                self.sections.fault(
                    (*place, "plugin", "name"), f'no authorizer "{each.plugin.name}" is installed', nearest(each.plugin.name, installed)
                )
        return found

    def _webhook(self, place: Place, webhook: WebhookSettings) -> ClusterAccess | None:
        kubeconfig = self.document(place, webhook.kubeconfig, lambda text, file: parse_kubeconfig(text, file))
        if kubeconfig is None:
            return None
        try:
            return kubeconfig.access(lambda path: self.read(Path(path)), webhook.context or "")
        except InvalidFileError as error:
            self.sections.mistakes.extend(error.mistakes)
            return None

    def relaxations(self, audit: AuditSettings | None, admin: AdminSettings | None) -> None:
        """What is allowed, and said at each start."""
        if audit is not None and audit.mode is AuditMode.BEST_EFFORT:
            self.warn(("audit", "mode"), "requests go on even where their record cannot be written", "strict is the default")
        if admin is not None and not ipaddress.ip_address(admin.address.host).is_loopback:
            self.warn(("admin", "address"), "metrics are open to whoever reaches this address", "127.0.0.1 keeps them on this machine")

    def policy(self, place: Place, path: Path | None) -> Policy | None:
        """A policy, of one file or a directory of them, that passes its own tests: one that does not is none that anybody meant."""
        if path is None:
            return None
        try:
            policy = load_policy(policy_text(path, self.read), str(path))
        except OSError as error:
            self.sections.fault(place, unreadable(path, error))
            return None
        except InvalidFileError as error:
            self.sections.mistakes.extend(error.mistakes)
            return None
        clusters: Mapping[str, ClusterSettings] = self.sections.values.get("clusters") or {}
        self.sections.mistakes += failures(
            policy, {name: dict(cluster.as_policy_sees_it(name).labels) for name, cluster in clusters.items()}
        )
        return policy

    def names(self, policy: Policy, settings: Settings) -> None:
        """Clusters that the policy names and nobody configured: most likely a slip."""
        for rule in policy.rules:
            words = rule.clusters.names
            for name in sorted(words.exact | words.excluded_exact if words is not None else ()):
                if name not in settings.clusters:
                    text = f'rule "{rule.name}" names the cluster {name}, which is not configured'
                    self.warnings.append(Mistake(policy.file, 0, text, nearest(name, settings.clusters)))

    def document(self, place: Place, path: Path | None, load: Callable[[str, str], T]) -> T | None:
        """A file of another kind, its mistakes added to ours."""
        raw = self.bytes_of(place, path) if path is not None else None
        if raw is None:
            return None
        try:
            return load(decode(raw, str(path)), str(path))
        except InvalidFileError as error:
            self.sections.mistakes.extend(error.mistakes)
            return None

    def judged(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings as they count for this reading."""
        return [each._replace(serious=False) if self.running and each.expired else each for each in findings]

    def note(self, place: Place, findings: Iterable[Finding]) -> None:
        """Take over what was found out about certificates."""
        for each in self.judged(findings):
            (self.sections.fault if each.serious else self.warn)((*place, each.key), each.text, each.hint)

    def warn(self, place: Place, text: str, hint: str = "") -> None:
        """Note what works, and had better not stay so."""
        self.warnings.append(self.sections.place(place, text, hint))

    def bytes_of(self, place: Place, path: Path) -> bytes | None:
        """A file's bytes, or None with the reason noted."""
        try:
            return self.read(path)
        except OSError as error:
            self.sections.fault(place, unreadable(path, error))
            return None
