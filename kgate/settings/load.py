"""The configuration file → ``Settings``. Each section is structured by itself, so that a mistake in one hides none in another."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast, get_type_hints

from attrs import NOTHING, define, fields
from cattrs import Converter
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from kgate.documents.reading import Mapping, Plain, decode, line_of, read_mapping
from kgate.documents.structuring import a_whole_number, key_path, strict_converter, structure, structure_list, unknown_keys, written
from kgate.documents.values import Unacceptable, fact_name, host_name, https_url
from kgate.errors import InvalidFileError, Mistake, UsageError
from kgate.expressions import Kind
from kgate.identity.certificates import CERTIFICATE, CertificateText, CertificateTexts
from kgate.identity.devices import BODY, ITEM, BodyItems, ItemCondition, ItemText, ItemValue
from kgate.identity.issuer_configuration import register_hooks
from kgate.identity.tokens import Digest, token_digest
from kgate.settings.authorizers import AuthorizerName, AuthorizerSettings, OpaUrl, authorizer_name, opa_url
from kgate.settings.files import Read, read_file, unreadable
from kgate.settings.paths import FilePath
from kgate.settings.shapes import (
    DEFAULT_STATE,
    ClientCertificateAuthorities,
    ClientCertificateAuthority,
    ClusterName,
    ClusterSettings,
    Count,
    FactName,
    FactSource,
    HostName,
    LabelKey,
    ProxyUrl,
    PublicUrl,
    ServerUrl,
    Settings,
    SourceName,
    StateUrl,
)

MAX_COUNT = 1_000_000
_CLUSTER = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_./]{0,251}[A-Za-z0-9])?")
_SOURCE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PROXY = re.compile(r"(http|https|socks5)://([^@/\s]+@)?[^@/\s:]+(:[0-9]{1,5})?/?")


@define
class Sections:
    """What could be read of the file: wrong sections are missing, and their mistakes are listed."""

    file: str
    root: Mapping
    mistakes: list[Mistake]
    values: dict[str, Any]

    def place(self, path: tuple[str | int, ...], text: str, hint: str = "") -> Mistake:
        """Something to say of what stands at ``path``."""
        return Mistake(self.file, line_of(self.root, path), f"{key_path(path)}: {text}" if path else text, hint)

    def fault(self, path: tuple[str | int, ...], text: str, hint: str = "") -> None:
        """Note a mistake at ``path``."""
        self.mistakes.append(self.place(path, text, hint))

    def settings(self) -> Settings:
        """The whole. Raises InvalidFileError with every mistake, this file's first."""
        if self.mistakes:
            raise InvalidFileError(sorted(self.mistakes, key=lambda each: (each.file != self.file, each.file, each.line)))
        return Settings(**self.values)


def load_settings(path: Path, read: Read = read_file) -> Settings:
    """The settings that the file says, not yet held against the files that it names. Raises InvalidFileError with every mistake."""
    return read_sections(path, read).settings()


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
    base = path.resolve().parent
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
        sections.values["state"] = _state(base, DEFAULT_STATE)
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
        if not _CLUSTER.fullmatch(name):
            sections.fault(("clusters", name), "is not a name for a cluster", "use lower-case letters, digits, dash and dot, at most 63")
        made = structure(converter, each, ClusterSettings, sections.file, sections.mistakes, root=sections.root, path=("clusters", name))
        if made is not None:
            found[ClusterName(name)] = made
    return found


def settings_converter(base: Path) -> Converter:
    """The converter for a configuration file in the folder ``base``."""
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
    on(FilePath, written(lambda text: _path(base, text)))
    on(PublicUrl, written(lambda text: https_url(text, path=False)))
    on(ServerUrl, written(https_url))
    on(ProxyUrl, written(_proxy_url))
    on(StateUrl, written(lambda text: _state(base, text)))
    on(ClusterName, written(_cluster_name))
    on(HostName, written(host_name))
    on(LabelKey, written(_label))
    on(AuthorizerName, written(authorizer_name))
    on(OpaUrl, written(opa_url))
    on(SourceName, written(_source))
    on(FactName, written(lambda text: FactName(fact_name(text))))
    on(Count, _count)
    return converter


def _cluster_name(text: str) -> ClusterName:
    if not _CLUSTER.fullmatch(text):
        raise Unacceptable(f'"{text}" is not a name for a cluster', "name one of clusters")
    return ClusterName(text)


def _authorities(converter: Converter, value: Plain) -> tuple[ClientCertificateAuthority, ...]:
    """One mapping, or a list of them."""
    if isinstance(value, list):
        return converter.structure(value, tuple[ClientCertificateAuthority, ...])
    return (converter.structure(value, ClientCertificateAuthority),)


def _path(base: Path, text: str) -> FilePath:
    if not text or "\0" in text:
        raise Unacceptable("is not a path")
    return FilePath(base / Path(text).expanduser() if text.startswith("~") else base / text)


def _proxy_url(text: str) -> ProxyUrl:
    if not _PROXY.fullmatch(text):
        raise Unacceptable("is not the URL of a forward proxy", "write it as http://proxy.example.com:3128")
    return ProxyUrl(text)


def _state(base: Path, text: str) -> StateUrl:
    hint = "write sqlite:///FILE, or postgresql+psycopg://USER@HOST/NAME"
    try:
        url = make_url(text)
    except ArgumentError:
        raise Unacceptable("is not the URL of a database", hint) from None
    if url.drivername == "postgresql+psycopg":
        return StateUrl(text)
    if url.drivername != "sqlite":
        raise Unacceptable(f"{url.drivername} is not a kind of database that kgate keeps its state in", hint)
    if not url.database or url.database == ":memory:" or url.query:
        raise Unacceptable("names no file", hint)
    return StateUrl(f"sqlite:///{base / url.database}")


def _source(text: str) -> SourceName:
    if not _SOURCE.fullmatch(text):
        raise Unacceptable(f'"{text}" is not a name for a source', "use lower-case letters, digits and dash, at most 63")
    return SourceName(text)


def _label(text: str) -> LabelKey:
    if not _LABEL.fullmatch(text):
        raise Unacceptable(f'"{text}" is not a key for a label', "use letters, digits, dash, dot, underscore and slash")
    return LabelKey(text)


def _count(value: Plain, _: object) -> Count:
    if not 1 <= a_whole_number(value) <= MAX_COUNT:
        raise Unacceptable(f"{value} is out of range", f"it is at least 1 and at most {MAX_COUNT:,}")
    return cast("Count", value)
