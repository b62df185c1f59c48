"""Settings → upstream connections. A cluster whose access did not change keeps its connections over a reload."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kgate.documents.reading import decode
from kgate.kube.kubeconfig import ClusterAccess, GateCredential, parse_kubeconfig, parse_server
from kgate.settings.shapes import ClusterSettings, Settings


def read_file(path: str) -> bytes:
    """A whole file."""
    return Path(path).read_bytes()


def access_of(name: str, settings: ClusterSettings) -> ClusterAccess:
    """How to reach a cluster, everything but its token file read. Raises InvalidFileError or OSError where a file is not as it was when checked."""
    if settings.kubeconfig is not None:
        file = str(settings.kubeconfig)
        kubeconfig = parse_kubeconfig(decode(read_file(file), file), file)
        return kubeconfig.access(read_file, settings.context or "", allow_insecure=settings.insecure_skip_tls_verify)
    return ClusterAccess(
        context=name,
        server=parse_server(settings.server or ""),
        credential=GateCredential(
            token_file=str(settings.token_file or ""),
            certificate=_bytes(settings.client_certificate),
            key=_bytes(settings.client_key),
        ),
        tls_server_name=settings.tls_server_name or "",
        certificate_authority=_bytes(settings.certificate_authority) or None,
        insecure=settings.insecure_skip_tls_verify,
        proxy_url=settings.proxy_url or "",
    )


def all_access(settings: Settings) -> Mapping[str, ClusterAccess]:
    """Every cluster's access by its name."""
    return {name: access_of(name, cluster) for name, cluster in settings.clusters.items()}


def _bytes(path: Path | None) -> bytes:
    return path.read_bytes() if path is not None else b""
