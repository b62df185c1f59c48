"""``identity``: where people and programs come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import field, frozen
from cryptography.hazmat.primitives.serialization import Encoding

from kgate.documents.values import Unacceptable, accept
from kgate.identity.authenticator import Authenticator, Source
from kgate.identity.certificates import ClientCertificates, PeopleAuthority
from kgate.identity.devices import Devices
from kgate.identity.directory import Directory
from kgate.identity.issuer_configuration import IssuerConfiguration
from kgate.identity.notices import Notices
from kgate.identity.roster_file import RosterFile
from kgate.identity.tokens import Tokens
from kgate.settings.clusters import ClusterSettings
from kgate.settings.credentials import (
    ClientCertificateAuthorities,
    DeviceSettings,
    DeviceSources,
    TokensFile,
    device_sources,
    people_authorities,
    static_tokens,
)
from kgate.settings.issuers import (
    IntrospectionAt,
    LoginAt,
    OidcSettings,
    ServiceAccountSettings,
    SignalSettings,
    all_introspections,
    all_issuers,
    all_logins,
    check_service_accounts,
)
from kgate.settings.operation import SecretsSettings
from kgate.settings.people import GroupSettings, GroupSource, ScimSettings, check_scim, people_of, roster_file
from kgate.settings.reading import Reading
from kgate.settings.values import FilePath


@frozen
class IdentitySettings:
    """Where people and programs come from."""

    tokens: TokensFile | None = None
    client_certificates: ClientCertificateAuthorities = field(default=ClientCertificateAuthorities(()))
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


@frozen(eq=False)
class IdentitySources:
    """What ``identity`` names, read."""

    settings: IdentitySettings
    tokens: Tokens | None
    people: tuple[PeopleAuthority, ...]
    """Who signs people's certificates; empty where none are asked for."""
    devices: DeviceSources | None
    """Who signs devices' certificates, and what a file says of devices."""
    issuers: tuple[IssuerConfiguration, ...]
    """Those of ``oidc``, then those of ``authentication_configuration``."""
    logins: tuple[LoginAt, ...]
    """Those of ``oidc`` that people sign in with."""
    introspections: tuple[IntrospectionAt, ...]
    """That of ``oidc`` which is asked about opaque tokens; at most one."""
    roster: RosterFile | None
    """The groups of ``groups.file``."""

    @property
    def authority_pem(self) -> str | None:
        """Whose client certificates the listener's TLS takes; None where it asks for none."""
        trusts = [each.trust for each in self.people] + ([self.devices.trust] if self.devices is not None else [])
        pems = [each.public_bytes(Encoding.PEM).decode() for trust in trusts for each in trust.authorities]
        return "".join(pems) or None

    def authenticator(
        self,
        *sources: Source,
        directory: Directory | None = None,
        notices: Notices | None = None,
        devices: Devices | None = None,
        leavers_known: Callable[[], bool] | None = None,
    ) -> Authenticator:
        """Who may ask, by these files and by further ``sources``, which are asked after them; ``directory`` and ``notices`` say who is out."""
        bearers = (self.tokens, *sources) if self.tokens is not None else sources
        people = ClientCertificates(self.people) if self.people else None
        known = people_of(self.settings.groups, self.settings.scim, self.roster, directory)
        return Authenticator(bearers, people, known, notices, devices, leavers_known)


def identity_sources(
    reading: Reading, settings: IdentitySettings, secrets: SecretsSettings | None, clusters: Mapping[str, ClusterSettings]
) -> IdentitySources:
    """Read what the section names; mistakes are noted."""
    check_service_accounts(reading, settings.service_accounts, clusters)
    tokens = static_tokens(reading, settings.tokens)
    check_scim(reading, settings.scim, tokens)
    return IdentitySources(
        settings=settings,
        tokens=tokens,
        people=people_authorities(reading, settings.client_certificates),
        devices=device_sources(reading, settings.devices),
        issuers=all_issuers(reading, settings.oidc, settings.authentication_configuration),
        logins=all_logins(reading, settings.oidc, secrets),
        introspections=all_introspections(reading, settings.oidc),
        roster=roster_file(reading, settings.groups),
    )
