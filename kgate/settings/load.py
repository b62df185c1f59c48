"""The configuration file → ``Settings``. Each section is structured by itself, so that a mistake in one hides none in another."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, get_type_hints

from attrs import NOTHING, fields
from cattrs import Converter

from kgate.documents.reading import Plain, decode, read_mapping
from kgate.documents.structuring import strict_converter, structure, structure_list, unknown_keys, written
from kgate.documents.values import fact_name, host_name, https_url, origin
from kgate.errors import InvalidFileError, Mistake, UsageError
from kgate.expressions import Kind
from kgate.identity.certificates import CERTIFICATE, CertificateText, CertificateTexts
from kgate.identity.devices import BODY, ITEM, BodyItems, ItemCondition, ItemText, ItemValue
from kgate.identity.issuer_configuration import register_hooks
from kgate.identity.robots import Digest, token_digest
from kgate.settings.authorizers import AuthorizerName, AuthorizerSettings, OpaUrl, authorizer_name, opa_url
from kgate.settings.clusters import ClusterSettings
from kgate.settings.credentials import ClientCertificateAuthorities, ClientCertificateAuthority
from kgate.settings.files import Read, read_file, unreadable
from kgate.settings.reading import Sections
from kgate.settings.shapes import Settings
from kgate.settings.surroundings import FactSource
from kgate.settings.values import (
    CLUSTER,
    DEFAULT_STATE,
    ClusterName,
    Count,
    FactName,
    FilePath,
    HostName,
    LabelKey,
    ProxyUrl,
    PublicUrl,
    Rate,
    ServerUrl,
    SourceName,
    StateUrl,
    cluster_name,
    count,
    file_path,
    label_key,
    proxy_url,
    rate,
    source_name,
    state_url,
)


def load_settings(path: Path, read: Read = read_file) -> Settings:
    """The settings that the file says, not yet held against the files that it names. Raises InvalidFileError with every mistake."""
    return settings_of(read_sections(path, read))


def settings_of(sections: Sections) -> Settings:
    """The whole. Raises InvalidFileError with every mistake, this file's first."""
    if sections.mistakes:
        raise InvalidFileError(sorted(sections.mistakes, key=lambda each: (each.file != sections.file, each.file, each.line)))
    return Settings(**sections.values)


def read_sections(path: Path, read: Read) -> Sections:
    """Every section of the file that makes sense. Raises UsageError where the file cannot be read, InvalidFileError where it is not YAML."""
    try:
        text = decode(read(path), str(path))
    except OSError as error:
        raise UsageError(f"{unreadable(path, error)}; name the gate's configuration file") from error
    mistakes: list[Mistake] = []
    root = read_mapping(text, str(path), mistakes)
    sections = Sections(str(path), root, mistakes, {})
    mistakes += unknown_keys(root, (each.name for each in fields(Settings)), str(path))
    # Links are not followed: where Kubernetes mounts a file, one leads into a folder that has another name after each change.
    base = path.absolute().parent
    converter = settings_converter(base)
    kinds = get_type_hints(Settings)
    for each in fields(Settings):
        if each.name in root:
            made = _section(sections, converter, each.name, kinds[each.name])
            if made is not None:
                sections.values[each.name] = made
        elif each.default is NOTHING:
            sections.fault((), f'"{each.name}" is missing', _EXAMPLES.get(each.name, ""))
    if "state" not in root:
        sections.values["state"] = state_url(base, DEFAULT_STATE)
    return sections


_EXAMPLES = {
    "listen": "write listen: [{address: 0.0.0.0:8443, tls: {certificate: tls.crt, key: tls.key}}]",
    "public_url": "write public_url: https://kube.example.com:8443",
    "clusters": "write clusters: {NAME: {kubeconfig: FILE}}",
    "identity": "write identity: {tokens: {file: tokens.yaml}}",
    "policy": "write policy: policy.yaml",
    "audit": "write audit: {directory: audit/}",
}


def _section(sections: Sections, converter: Converter, name: str, kind: Any) -> Any:
    value = sections.root[name]
    if name == "clusters" and isinstance(value, dict):
        return _clusters(sections, converter, value)
    if name == "facts":
        made = structure_list(converter, sections.root, name, FactSource, sections.file, sections.mistakes, unique=("source",))
        return tuple(made)
    if name == "authorizers":
        return tuple(structure_list(converter, sections.root, name, AuthorizerSettings, sections.file, sections.mistakes))
    return structure(converter, value, kind, sections.file, sections.mistakes, root=sections.root, path=(name,))


def _clusters(sections: Sections, converter: Converter, value: dict[str, Plain]) -> dict[ClusterName, ClusterSettings]:
    found: dict[ClusterName, ClusterSettings] = {}
    for name, each in value.items():
        if not CLUSTER.fullmatch(name):
            sections.fault(("clusters", name), "is not a name for a cluster", "use lower-case letters, digits, dash and dot, at most 63")
        made = structure(converter, each, ClusterSettings, sections.file, sections.mistakes, root=sections.root, path=("clusters", name))
        if made is not None:
            found[ClusterName(name)] = made
    return found


@lru_cache(maxsize=1)
def settings_converter(base: Path) -> Converter:
    """The converter for a configuration file in the folder ``base``. Made once: it refers to itself, and is where no collector looks after a reload."""
    converter = strict_converter()

    def on(kind: object, hook: Any) -> None:
        converter.register_structure_hook_func(lambda asked: asked is kind, hook)

    register_hooks(converter)
    on(CertificateText, written(lambda text: CERTIFICATE.compile(text, Kind.TEXT)))
    on(CertificateTexts, written(lambda text: CERTIFICATE.compile(text, Kind.TEXTS, Kind.TEXT)))
    on(BodyItems, written(BODY.compile))
    on(ItemText, written(lambda text: ITEM.compile(text, Kind.TEXT)))
    on(ItemCondition, written(lambda text: ITEM.compile(text, Kind.BOOLEAN)))
    on(ItemValue, written(ITEM.compile))
    on(Digest, written(token_digest))
    on(ClientCertificateAuthorities, lambda value, _: _authorities(converter, value))
    on(FilePath, written(lambda text: file_path(base, text)))
    on(PublicUrl, written(lambda text: origin(https_url(text, path=False))))
    on(ServerUrl, written(https_url))
    on(ProxyUrl, written(proxy_url))
    on(StateUrl, written(lambda text: state_url(base, text)))
    on(ClusterName, written(cluster_name))
    on(HostName, written(host_name))
    on(LabelKey, written(label_key))
    on(AuthorizerName, written(authorizer_name))
    on(OpaUrl, written(opa_url))
    on(SourceName, written(source_name))
    on(FactName, written(lambda text: FactName(fact_name(text))))
    on(Count, count)
    on(Rate, rate)
    return converter


def _authorities(converter: Converter, value: Plain) -> tuple[ClientCertificateAuthority, ...]:
    """One mapping, or a list of them."""
    if isinstance(value, list):
        return converter.structure(value, tuple[ClientCertificateAuthority, ...])
    return (converter.structure(value, ClientCertificateAuthority),)
