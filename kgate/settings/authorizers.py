"""``authorizers``: who else must allow what the policy allows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import NewType
from urllib.parse import urlsplit

from attrs import field, frozen

from kgate.documents.structuring import nearest
from kgate.documents.values import Duration, Unacceptable, accept, https_url
from kgate.errors import InvalidFileError
from kgate.kube.cluster_access import ClusterAccess
from kgate.kube.kubeconfig import parse_kubeconfig
from kgate.settings.reading import Place, Reading
from kgate.settings.values import FilePath

PLUGINS = "kgate.authorizers"
"""The entry points of third parties' authorizers."""
AuthorizerName = NewType("AuthorizerName", str)
OpaUrl = NewType("OpaUrl", str)
"""``https://host[:port]/v1/data/PATH``; ``http://`` only to this machine."""
SHORTEST, LONGEST = 1.0, 3600.0
"""Seconds for which an answer may count."""
LONGEST_WAIT = 8.0
"""Seconds. Whoever waits for a decision is refused after ten."""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_HERE = frozenset({"127.0.0.1", "::1", "localhost"})


@frozen
class WebhookSettings:
    """A server that takes SubjectAccessReviews, by a kubeconfig as the API server's ``--authorization-webhook-config-file`` has it."""

    kubeconfig: FilePath
    context: str | None = None


@frozen
class OpaSettings:
    """An Open Policy Agent."""

    url: OpaUrl
    certificate_authority: FilePath | None = None
    token_file: FilePath | None = None


@frozen
class PluginSettings:
    """A third party's, by the name of its entry point ``kgate.authorizers``."""

    name: str
    options: Mapping[str, str] = field(factory=dict)


@frozen
class KeptSettings:
    """How long answers count whose authorizer does not say."""

    allowed: Duration = field(default=Duration(10.0))
    denied: Duration = field(default=Duration(5.0))

    def __attrs_post_init__(self) -> None:
        accept(
            *(
                Unacceptable("is out of range", f"it is at least {SHORTEST:g}s and at most {LONGEST / 60:g}m", (key,))
                for key in ("allowed", "denied")
                if not SHORTEST <= getattr(self, key) <= LONGEST
            )
        )


@frozen
class AuthorizerSettings:
    """One of them: exactly one kind."""

    name: AuthorizerName
    webhook: WebhookSettings | None = None
    cluster_rbac: bool = False
    opa: OpaSettings | None = None
    plugin: PluginSettings | None = None
    timeout: Duration = field(default=Duration(2.0))
    keep: KeptSettings = KeptSettings()

    def __attrs_post_init__(self) -> None:
        kinds = [kind for kind in ("webhook", "cluster_rbac", "opa", "plugin") if getattr(self, kind)]
        accept(
            None
            if len(kinds) == 1
            else Unacceptable("needs one of webhook, cluster_rbac, opa and plugin", "write two where two are meant"),
            None if 0 < self.timeout <= LONGEST_WAIT else Unacceptable("is out of range", f"it is at most {LONGEST_WAIT:g}s", ("timeout",)),
        )


def authorizer_name(text: str) -> AuthorizerName:
    """Stands in denials and logs. Raises Unacceptable."""
    if not _NAME.fullmatch(text):
        raise Unacceptable(f'"{text}" is not a name for an authorizer', "use lower-case letters, digits and dash, at most 63")
    return AuthorizerName(text)


def opa_url(text: str) -> OpaUrl:
    """Raises Unacceptable: whoever could read or change what is sent in clear text would decide here."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return OpaUrl(https_url(text))  # which says what is wrong
    if parts.scheme == "http" and parts.hostname in _HERE and not parts.query and not parts.fragment and "@" not in parts.netloc:
        return OpaUrl(text)
    return OpaUrl(https_url(text))


def all_webhooks(reading: Reading, authorizers: Iterable[AuthorizerSettings]) -> dict[str, ClusterAccess]:
    """Kubeconfigs, files and plugins that must be there."""
    found: dict[str, ClusterAccess] = {}
    for number, each in enumerate(authorizers):
        place: Place = ("authorizers", number)
        if each.webhook is not None:
            access = _webhook_access(reading, (*place, "webhook", "kubeconfig"), each.webhook)
            if access is not None:
                found[each.name] = access
        if each.opa is not None:
            reading.authority((*place, "opa"), "certificate_authority", each.opa.certificate_authority)
        if each.opa is not None and each.opa.token_file is not None:
            reading.token((*place, "opa", "token_file"), each.opa.token_file)
        installed = entry_points(group=PLUGINS).names if each.plugin is not None else frozenset()
        if each.plugin is not None and each.plugin.name not in installed:
            reading.sections.fault(
                (*place, "plugin", "name"), f'no authorizer "{each.plugin.name}" is installed', nearest(each.plugin.name, installed)
            )
    return found


def _webhook_access(reading: Reading, place: Place, webhook: WebhookSettings) -> ClusterAccess | None:
    kubeconfig = reading.document(place, webhook.kubeconfig, lambda text, file: parse_kubeconfig(text, file))
    if kubeconfig is None:
        return None
    try:
        return kubeconfig.access(lambda path: reading.read(Path(path)), webhook.context or "")
    except InvalidFileError as error:
        reading.sections.mistakes.extend(error.mistakes)
        return None
