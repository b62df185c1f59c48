"""A cluster of the configuration → how to reach it, everything but its token file read."""

from __future__ import annotations

from pathlib import Path

from kgate.documents.reading import decode
from kgate.kube.kubeconfig import ClusterAccess, GateCredential, parse_kubeconfig, parse_server
from kgate.settings.files import Read
from kgate.settings.shapes import ClusterSettings


def access_of(name: str, settings: ClusterSettings, read: Read) -> ClusterAccess:
    """How to reach the cluster. Raises InvalidFileError for what is wrong in a kubeconfig, OSError where a file cannot be read."""
    if settings.kubeconfig is not None:
        file = str(settings.kubeconfig)
        kubeconfig = parse_kubeconfig(decode(read(settings.kubeconfig), file), file)
        return kubeconfig.access(
            lambda path: read(Path(path)), settings.context or "", allow_insecure=settings.insecure_skip_tls_verify
        )  # fmt: skip
    return ClusterAccess(
        context=name,
        server=parse_server(settings.server or ""),
        credential=GateCredential(
            token_file=str(settings.token_file or ""),
            certificate=_bytes(settings.client_certificate, read),
            key=_bytes(settings.client_key, read),
        ),
        tls_server_name=settings.tls_server_name or "",
        certificate_authority=_bytes(settings.certificate_authority, read) or None,
        insecure=settings.insecure_skip_tls_verify,
        proxy_url=settings.proxy_url or "",
    )


def _bytes(path: Path | None, read: Read) -> bytes:
    return read(path) if path is not None else b""
