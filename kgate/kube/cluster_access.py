"""The gate's own way to a cluster: where it is, how it proves itself, and which credential the gate has there. Said by a kubeconfig, or by the gate's
configuration itself."""

from __future__ import annotations

import re
from base64 import b64encode
from urllib.parse import urlsplit

from attrs import field, frozen

from kgate.documents.reading import Plain
from kgate.documents.values import Unacceptable, certified_name, https_url
from kgate.kube.execplugin import ExecPlugin, exec_info

_TOKEN = re.compile(rb"[\x21-\x7e]{1,65536}")


@frozen
class Server:
    """An API server's URL taken apart. ``base_path`` is what stands before ``/api``, without a closing slash."""

    host: str
    port: int
    base_path: str = ""

    @property
    def authority(self) -> str:
        """The ``Host`` of requests to it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 443 else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """``https://host[:port][/path]``."""
        return f"https://{self.authority}{self.base_path}"


@frozen
class GateCredential:
    """What the gate shows a cluster; a certificate may stand beside one of the others. ``token_file`` is to be read again when it changes."""

    token: str = field(default="", repr=False)
    token_file: str = ""
    certificate: bytes = field(default=b"", repr=False)
    """PEM chain, with ``key``."""
    key: bytes = field(default=b"", repr=False)
    plugin: ExecPlugin | None = None


@frozen
class ClusterAccess:
    """One context of a kubeconfig, everything but the token file read."""

    context: str
    server: Server
    credential: GateCredential
    tls_server_name: str = ""
    """What the server's certificate must say, where that is not ``server.host``."""
    certificate_authority: bytes | None = field(default=None, repr=False)
    """PEM; None is what the system trusts."""
    insecure: bool = False
    """The server's certificate is not checked: a relaxation to be warned of."""
    proxy_url: str = ""
    plugin_config: Plain = None
    """The cluster's own settings for an exec plugin."""
    files: tuple[str, ...] = ()
    """Paths that this came from besides the kubeconfig itself: a change of one makes it stale."""

    def exec_info(self) -> str:
        """``KUBERNETES_EXEC_INFO`` for this cluster's plugin. Raises ValueError where it has none."""
        if self.credential.plugin is None:
            raise ValueError(f"context {self.context} has no exec plugin")
        cluster = {
            "server": self.server.url,
            "tls-server-name": self.tls_server_name,
            "insecure-skip-tls-verify": self.insecure,
            "certificate-authority-data": b64encode(self.certificate_authority or b"").decode(),
            "proxy-url": self.proxy_url,
            "config": self.plugin_config,
        }
        return exec_info(self.credential.plugin, {key: value for key, value in cluster.items() if value})


def parse_server(url: str) -> Server:
    """Takes an ``https://`` URL apart. Raises Unacceptable where that is not one, or its path could be read in two ways."""
    parts = urlsplit(https_url(url))
    path = parts.path.rstrip("/")
    if "//" in path or not re.fullmatch(r"[A-Za-z0-9_.~/:-]*", path) or any(segment in (".", "..") for segment in path.split("/")):
        raise Unacceptable(f'"{url}" has a path that could be read in two ways', "use letters, digits, dash, dot and underscore")
    return Server(certified_name(parts.hostname or ""), parts.port or 443, path)


def token_of(data: bytes) -> bytes | None:
    """The token in a token file; None where there is none that could stand in a header."""
    token = data.strip()
    return token if _TOKEN.fullmatch(token) else None
