"""The kubeconfigs that people get: one context for each cluster behind the gate.

Where a cluster has a host name of its own, that is its server; otherwise the gate's URL with ``/clusters/NAME``. The host name is the better
of the two: ``kubectl proxy`` needs ``--append-server-path`` with a path, and kubectl 1.32's ``get --raw`` drops it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import yaml
from attrs import field, frozen

from kgate.kube.execplugin import VERSIONS


@frozen
class StaticToken:
    """A token written into the file: robots, and the demo."""

    token: str = field(repr=False)


@frozen
class LoginPlugin:
    """A command that kubectl runs for a token. ``interactive``: it may talk to the person."""

    command: str
    args: tuple[str, ...] = ()
    install_hint: str = ""
    interactive: bool = False


@frozen
class GateContext:
    """One context: a cluster behind the gate as one of the file's users."""

    name: str
    server: str
    user: str
    namespace: str = ""


def cluster_url(public_url: str, cluster: str, hosts: Sequence[str] = ()) -> str:
    """Where kubectl finds ``cluster``: ``hosts`` are its own host names at the gate, the first one counts; ``public_url`` has no path."""
    if not hosts:
        return f"{public_url.rstrip('/')}/clusters/{cluster}"
    port = urlsplit(public_url).port
    return f"https://{hosts[0]}" + (f":{port}" if port not in (None, 443) else "")


def render_kubeconfig(
    contexts: Sequence[GateContext],
    users: Mapping[str, StaticToken | LoginPlugin],
    certificate_authority: bytes | None = None,
    current: str = "",
) -> str:
    """A kubeconfig as YAML, on the first context unless ``current`` names another.

    ``certificate_authority`` is PEM, None where the system trusts the gate's certificate.
    """
    return str(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": current or (contexts[0].name if contexts else ""),
                "clusters": [{"name": context.name, "cluster": _cluster(context, certificate_authority)} for context in contexts],
                "contexts": [{"name": context.name, "context": _context(context)} for context in contexts],
                "users": [{"name": name, "user": _user(credential)} for name, credential in users.items()],
            },
            sort_keys=False,
            allow_unicode=True,
            width=4096,
        )
    )


def _cluster(context: GateContext, authority: bytes | None) -> dict[str, str]:
    cluster = {"server": context.server}
    if authority:
        cluster["certificate-authority-data"] = b64encode(authority).decode()
    return cluster


def _context(context: GateContext) -> dict[str, str]:
    values = {"cluster": context.name, "user": context.user, "namespace": context.namespace}
    return {key: value for key, value in values.items() if value}


def _user(credential: StaticToken | LoginPlugin) -> dict[str, object]:
    if isinstance(credential, StaticToken):
        return {"token": credential.token}
    plugin: dict[str, object] = {
        "apiVersion": VERSIONS[0],
        "command": credential.command,
        "args": list(credential.args),
        "interactiveMode": "IfAvailable" if credential.interactive else "Never",
        "provideClusterInfo": False,
    }
    if credential.install_hint:
        plugin["installHint"] = credential.install_hint
    return {"exec": plugin}
