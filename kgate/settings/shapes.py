"""The whole of what the configuration file may say, and where each section is. Paths are absolute here: in the file they are relative to it."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from kgate.documents.values import Duration
from kgate.settings.authorizers import AuthorizerSettings
from kgate.settings.clusters import ClusterSettings
from kgate.settings.identity import IdentitySettings
from kgate.settings.listen import Listen
from kgate.settings.operation import (
    AdminSettings,
    AuditSettings,
    DeadlineSettings,
    LimitSettings,
    SecretsSettings,
    SignInSettings,
    WebProxySettings,
)
from kgate.settings.surroundings import FactSource, GeoSettings
from kgate.settings.values import DEFAULT_STATE, ClusterName, Count, FilePath, PublicUrl, StateUrl


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
    sign_in: SignInSettings = field(default=SignInSettings())
    public_certificate_authority: FilePath | None = None
    """Who signs the listeners' certificates (PEM), for the kubeconfigs that people get; None where their systems trust it."""
    geo: GeoSettings | None = None
    facts: tuple[FactSource, ...] = ()
    """Where facts come from, the source that counts first first."""
    authorizers: tuple[AuthorizerSettings, ...] = ()
    """Who else must allow what the policy allows."""
    admin: AdminSettings | None = None
    web_proxy: WebProxySettings | None = None
    limits: LimitSettings = field(default=LimitSettings())
    deadlines: DeadlineSettings = field(default=DeadlineSettings())
    drain: Duration = field(default=Duration(30.0))
    """How long live streams may go on after SIGTERM."""
    workers: Count = field(default=Count(1))
