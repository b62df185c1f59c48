"""``clusters``: what may be said of each, and how to reach it, everything but its token file read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from attrs import field, frozen

from kgate.documents.reading import decode
from kgate.documents.structuring import nearest
from kgate.documents.values import Unacceptable, accept
from kgate.errors import InvalidFileError
from kgate.kube.cluster_access import ClusterAccess, GateCredential, parse_server, token_of
from kgate.kube.kubeconfig import parse_kubeconfig
from kgate.model import Cluster
from kgate.settings.certificates import Finding, authority_findings, client_pair_findings
from kgate.settings.files import Read, unreadable
from kgate.settings.reading import Place, Reading
from kgate.settings.values import FilePath, HostName, LabelKey, ProxyUrl, ServerUrl


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


def access_to_all(reading: Reading, clusters: Mapping[str, ClusterSettings], public_url: str) -> dict[str, ClusterAccess]:
    """How to reach each, by its name. Files must be there, and a host name means one cluster."""
    found: dict[str, ClusterAccess] = {}
    owners = {urlsplit(public_url).hostname or "": "public_url"}
    for name, cluster in clusters.items():
        for number, host in enumerate(cluster.hosts):
            owner = owners.setdefault(host, f"cluster {name}")
            if owner != f"cluster {name}":
                reading.sections.fault(("clusters", name, "hosts", number), f"{host} already means {owner}", "give it a name of its own")
        access = _access(reading, name, cluster)
        if access is not None:
            found[name] = access
    if reading.sections.root.get("clusters") == {}:
        reading.sections.fault(("clusters",), "names no cluster", "write clusters: {NAME: {kubeconfig: FILE}}")
    return found


def _access(reading: Reading, name: str, cluster: ClusterSettings) -> ClusterAccess | None:
    """The files of a cluster, and what they say of how to reach it."""
    place: Place = ("clusters", name)
    ways = dict.fromkeys(("kubeconfig", "certificate_authority", "client_certificate", "client_key"), reading.bytes_of) | {
        "token_file": reading.token
    }
    found = {key: read((*place, key), path) for key, read in ways.items() if (path := getattr(cluster, key)) is not None}
    if None in found.values():
        return None
    if token_of(found.get("token_file") or b"x") is None or found.get("token_file") == b"":
        reading.sections.fault((*place, "token_file"), f"{cluster.token_file} holds no token", "put the cluster's token for the gate there")
    try:
        access = access_of(name, cluster, reading.read)
    except InvalidFileError as error:
        reading.sections.mistakes.extend(error.mistakes)
        return None
    except OSError as error:  # it could be read a moment ago
        reading.sections.fault(place, unreadable(Path(error.filename), error))
        return None
    except Unacceptable as error:
        reading.sections.fault((*place, *(error.at or ("server",))), error.text, error.hint)
        return None
    _check_trust(reading, place, cluster, access)
    return access


def _check_trust(reading: Reading, place: Place, cluster: ClusterSettings, access: ClusterAccess) -> None:
    in_kubeconfig = cluster.kubeconfig is not None
    findings: list[Finding] = []
    if access.certificate_authority is not None:
        findings += authority_findings("certificate_authority", access.certificate_authority, reading.now)
    if cluster.client_certificate is not None or (access.credential.certificate and access.credential.key):
        findings += client_pair_findings(access.credential.certificate, access.credential.key, reading.now)
    reading.note(place, [each._replace(key="kubeconfig", text=f"{each.key}: {each.text}") if in_kubeconfig else each for each in findings])
    if access.insecure:
        reading.warn((*place, "insecure_skip_tls_verify"), "whoever is in between can be this cluster", "name its certificate_authority")
    elif cluster.insecure_skip_tls_verify:
        reading.warn((*place, "insecure_skip_tls_verify"), "relaxes nothing: the kubeconfig does not skip it", "take it out")


def access_of(name: str, settings: ClusterSettings, read: Read) -> ClusterAccess:
    """How to reach the cluster. Raises InvalidFileError for what is wrong in a kubeconfig, Unacceptable for what ``settings`` say wrong, OSError where
    a file cannot be read."""
    if settings.kubeconfig is not None:
        file = str(settings.kubeconfig)
        kubeconfig = parse_kubeconfig(decode(read(settings.kubeconfig), file), file)
        if settings.context is not None and settings.context not in kubeconfig.contexts:
            hint = nearest(settings.context, kubeconfig.contexts)
            raise Unacceptable(f'there is no "{settings.context}" under contexts of {file}', hint, ("context",))
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
        certificate_authority=read(settings.certificate_authority) if settings.certificate_authority is not None else None,
        insecure=settings.insecure_skip_tls_verify,
        proxy_url=settings.proxy_url or "",
    )


def _bytes(path: Path | None, read: Read) -> bytes:
    return read(path) if path is not None else b""
