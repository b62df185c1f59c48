"""A kubeconfig as the gate's own way to a cluster.

The format is kubectl's (``k8s.io/client-go/tools/clientcmd/api/v1``): lists of named clusters, users and contexts. Only the context in use is looked
at closely; what other entries say does not matter, so that a person's own file can be used as it is. Paths are relative to the file's folder;
``…-data`` (base64) wins over a path, and a token file over a token.

What the gate will not take says so with its line: a user name and password, or an auth-provider (gone from Kubernetes since 1.26); ``as``, since
whom the gate impersonates is policy's to say; plain ``http``; and ``insecure-skip-tls-verify``, unless the caller allows that by name.
"""

from __future__ import annotations

import posixpath
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Iterable

from attrs import define, evolve, field, frozen

from kgate.documents.reading import Mapping, Plain, Sequence, read_mapping
from kgate.documents.structuring import describe, nearest
from kgate.documents.values import Unacceptable, certified_name, forward_proxy
from kgate.errors import InvalidFileError, Mistake
from kgate.kube.cluster_access import ClusterAccess, GateCredential, Server, parse_server, token_of
from kgate.kube.execplugin import ExecPlugin, read_exec_plugin

Read = Callable[[str], bytes]
"""The whole of the file at an absolute or working-directory path; raises OSError."""

_CLUSTER_KEYS = frozenset(
    {
        "server", "certificate-authority", "certificate-authority-data", "tls-server-name", "insecure-skip-tls-verify", "proxy-url",
        "disable-compression", "extensions",
    }
)  # fmt: skip
_REFUSED = {
    "username": ("Kubernetes has no passwords any more", "give the gate a token or a client certificate"),
    "password": ("Kubernetes has no passwords any more", "give the gate a token or a client certificate"),
    "auth-provider": ("auth-provider is gone from Kubernetes", "use exec with the cloud's credential plugin, or a token"),
    "as": ("the gate decides for each request whom it impersonates", "take it out; policy's as: says it"),
    "as-uid": ("the gate decides for each request whom it impersonates", "take it out; policy's as: says it"),
    "as-groups": ("the gate decides for each request whom it impersonates", "take it out; policy's as: says it"),
    "as-user-extra": ("the gate decides for each request whom it impersonates", "take it out; policy's as: says it"),
}
_USER_KEYS = frozenset(
    {"token", "tokenFile", "client-certificate", "client-certificate-data", "client-key", "client-key-data", "exec", "extensions"}
)
_EXEC_EXTENSION = "client.authentication.k8s.io/exec"


@frozen(eq=False)
class Kubeconfig:
    """A kubeconfig whose outline is sound. ``current`` is empty where none is named."""

    file: str
    current: str
    contexts: tuple[str, ...]
    _document: Mapping = field(repr=False)

    def access(self, read: Read, context: str = "", *, allow_insecure: bool = False) -> ClusterAccess:
        """What ``context`` (or else the current one) says. Raises InvalidFileError with all that is wrong in it."""
        reading = _Reading(self.file, read, allow_insecure=allow_insecure)
        access = reading.context(self._document, context or self.current)
        if reading.mistakes or access is None:
            raise InvalidFileError(sorted(reading.mistakes, key=lambda mistake: mistake.line))
        return access


def parse_kubeconfig(text: str, file: str) -> Kubeconfig:
    """The outline of a kubeconfig. Raises InvalidFileError where ``text`` is none."""
    mistakes: list[Mistake] = []
    document = read_mapping(text, file, mistakes)
    kind = document.get("kind", "Config")
    if kind != "Config":
        mistakes.append(Mistake(file, document.lines["kind"], f'kind is "{kind}"', "a kubeconfig has kind: Config"))
    if mistakes:
        raise InvalidFileError(mistakes)
    contexts = document.get("contexts")
    names = [entry.get("name") for entry in contexts if isinstance(entry, Mapping)] if isinstance(contexts, Sequence) else []
    current = document.get("current-context")
    return Kubeconfig(file, current if isinstance(current, str) else "", tuple(name for name in names if isinstance(name, str)), document)


@define
class _Reading:
    """One context being read; finds every mistake in it."""

    file: str
    _read: Read
    allow_insecure: bool = field(kw_only=True)
    mistakes: list[Mistake] = field(factory=list)
    _files: list[str] = field(factory=list)

    # --- the outline

    def context(self, document: Mapping, name: str) -> ClusterAccess | None:
        """Follow a context to its cluster and user."""
        if not name:
            self.fault(0, "no current-context is set", "name one of: " + ", ".join(self._names(document, "contexts")))
            return None
        line = document.lines["current-context"] if name == document.get("current-context") else 0
        context = self._named(document, "contexts", "context", name, line)
        if context is None:
            return None
        cluster = self._linked(document, context, "cluster", "clusters")
        user = self._linked(document, context, "user", "users")
        if cluster is None or user is None:
            return None
        access = self._cluster(name, cluster)
        credential = self._credential(user)
        return evolve(access, credential=credential, files=tuple(self._files)) if access is not None else None

    def _linked(self, document: Mapping, context: Mapping, key: str, section: str) -> Mapping | None:
        name = self.text(context, key)
        line = context.lines.get(key, context.line)
        if not name:
            self.fault(line, f"the context names no {key}", f"write {key}: NAME")
            return None
        return self._named(document, section, key, name, line)

    def _named(self, document: Mapping, section: str, key: str, name: str, line: int) -> Mapping | None:
        """The value under ``key`` of the one entry of ``section`` that has this name."""
        entries = document.get(section)
        found = (
            [entry for entry in entries if isinstance(entry, Mapping) and entry.get("name") == name]
            if isinstance(entries, Sequence)
            else []
        )
        if not found:
            self.fault(line, f'there is no "{name}" under {section}', nearest(name, self._names(document, section)))
            return None
        for entry in found[1:]:
            self.fault(entry.line, f'"{name}" stands under {section} twice, first on line {found[0].line}', "keep one")
        value = found[0].get(key)
        if not isinstance(value, Mapping):
            self.fault(found[0].line, f'"{name}" under {section} has no {key}', f"write {key}: below its name")
            return None
        return value

    @staticmethod
    def _names(document: Mapping, section: str) -> list[str]:
        entries = document.get(section)
        listed = [entry.get("name") for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, Sequence) else []
        return [name for name in listed if isinstance(name, str)]

    # --- the cluster

    def _cluster(self, context: str, cluster: Mapping) -> ClusterAccess | None:
        self._known(cluster, _CLUSTER_KEYS)
        insecure = self.truth(cluster, "insecure-skip-tls-verify")
        authority = self._pem(cluster, "certificate-authority", "CERTIFICATE")
        if insecure and not self.allow_insecure:
            hint = "give its certificate-authority, or set insecure_skip_tls_verify: true for this cluster in kgate's configuration"
            self.fault(cluster.lines["insecure-skip-tls-verify"], "whoever is in between could be this cluster", hint)
        elif insecure and authority:
            self.fault(cluster.lines["insecure-skip-tls-verify"], "does not go with a certificate-authority", "take one of them out")
        proxy = self._checked(cluster, "proxy-url", forward_proxy)
        server = self._server(cluster)
        if server is None:
            return None
        name, config = self._checked(cluster, "tls-server-name", certified_name), self._plugin_config(cluster)
        return ClusterAccess(context, server, GateCredential(), name, authority or None, insecure, proxy, config)

    def _server(self, cluster: Mapping) -> Server | None:
        url = self.text(cluster, "server")
        try:
            return parse_server(url)
        except Unacceptable as wrong:
            self.fault(cluster.lines.get("server", cluster.line), wrong.text if url else "the cluster has no server", wrong.hint)
            return None

    def _checked(self, cluster: Mapping, key: str, check: Callable[[str], str]) -> str:
        text = self.text(cluster, key)
        try:
            return check(text) if text else ""
        except Unacceptable as wrong:
            self.fault(cluster.lines[key], f"{key} {wrong.text}", wrong.hint)
            return ""

    @staticmethod
    def _plugin_config(cluster: Mapping) -> Plain:
        extensions = cluster.get("extensions")
        for entry in extensions if isinstance(extensions, Sequence) else ():
            if isinstance(entry, Mapping) and entry.get("name") == _EXEC_EXTENSION:
                return entry.get("extension")
        return None

    # --- the user

    def _credential(self, user: Mapping) -> GateCredential:
        for key, (text, hint) in _REFUSED.items():
            if key in user:
                self.fault(user.lines[key], text, hint)
        self._known(user, _USER_KEYS | _REFUSED.keys())
        certificate, private = self._pem(user, "client-certificate", "CERTIFICATE"), self._pem(user, "client-key", "PRIVATE KEY")
        if bool(certificate) != bool(private) and not self.mistakes:
            self.fault(user.line, "client-certificate and client-key go together", "give both")
        token, token_file = self.text(user, "token"), self._token_file(user)
        plugin = self._plugin(user)
        if plugin is not None and (token or token_file):
            self.fault(user.lines["exec"], "exec stands beside a token", "keep the one that the gate shall use")
        if not (certificate or token or token_file or plugin or self.mistakes):
            self.fault(
                user.line, "the user has no credential that the gate can use", "give a token, a tokenFile, a client certificate or exec"
            )
        if token and token_of(token.encode()) != token.encode():
            self.fault(user.lines["token"], "the token has characters that no token has", "copy it again, without line breaks")
        return GateCredential("" if token_file else token, token_file, certificate, private, plugin)

    def _token_file(self, user: Mapping) -> str:
        name = self.text(user, "tokenFile")
        if not name:
            return ""
        path, line = self._path(name), user.lines["tokenFile"]
        data = self._content(path, line, later=True)
        if data is not None and token_of(data) is None:
            self.fault(line, f"{path} holds no token", "put the cluster's token for the gate there")
        return path

    def _plugin(self, user: Mapping) -> ExecPlugin | None:
        if "exec" not in user:
            return None
        value = user["exec"]
        if not isinstance(value, Mapping):
            self.fault(user.lines["exec"], f"exec must be a mapping, not {describe(value)}")
            return None
        plugin, faults = read_exec_plugin(value)
        for key, text, hint in faults:
            self.fault(value.lines.get(key, value.line), text, hint)
        if "/" not in plugin.command:
            return plugin
        return evolve(
            plugin, command=self._path(plugin.command)
        )  # client-go: a path is relative to the file, a bare name is looked up in PATH

    # --- values

    def fault(self, line: int, text: str, hint: str = "") -> None:
        """One mistake more."""
        self.mistakes.append(Mistake(self.file, line, text, hint))

    def text(self, entry: Mapping, key: str) -> str:
        """Text, or empty where there is none or something else."""
        value = entry.get(key)
        if value is None or isinstance(value, str):
            return value or ""
        self.fault(entry.lines[key], f"{key} must be text, not {describe(value)}", "put it in quotes")
        return ""

    def truth(self, entry: Mapping, key: str) -> bool:
        """A boolean, false where there is none."""
        value = entry.get(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        self.fault(entry.lines[key], f"{key} must be true or false, not {describe(value)}")
        return False

    def _known(self, entry: Mapping, known: Iterable[str]) -> None:
        known = frozenset(known)
        for key in entry:
            if key not in known:
                self.fault(entry.lines[key], f'"{key}" means nothing here', nearest(key, known))

    def _pem(self, entry: Mapping, key: str, label: str) -> bytes:
        """PEM from ``key``-data or from the file named by ``key``; empty where neither is there."""
        encoded, name = self.text(entry, f"{key}-data"), self.text(entry, key)
        if not encoded and not name:
            return b""
        used = f"{key}-data" if encoded else key
        line = entry.lines[used]
        data = self._base64(encoded, used, line) if encoded else self._content(self._path(name), line)
        if data is None:
            return b""
        if b"ENCRYPTED" in data:
            self.fault(
                line, f"{used} is encrypted, and nobody is there to type its password", "store it unencrypted, readable by the gate alone"
            )
        elif not re.search(rb"-----BEGIN [A-Z ]*" + label.encode() + rb"-----", data):
            self.fault(line, f"{used} holds no {label} in PEM", f"it has a line -----BEGIN {label}-----")
        return data

    def _base64(self, encoded: str, key: str, line: int) -> bytes | None:
        try:
            return b64decode("".join(encoded.split()), validate=True)
        except (NotBase64, ValueError):
            self.fault(line, f"{key} is not base64", "copy it again, or name the file instead")
            return None

    def _content(self, path: str, line: int, *, later: bool = False) -> bytes | None:
        """``later``: it is read again as it is used, so what does not answer now is no mistake."""
        if "\0" in path:
            self.fault(line, "the path has a NUL")
            return None
        self._files.append(path)
        try:
            return self._read(path)
        except OSError as error:
            if later and isinstance(error, TimeoutError):
                return None
            self.fault(
                line, f"{path} cannot be read: {(error.strerror or 'unknown error').lower()}", "paths are relative to this file's folder"
            )
            return None

    def _path(self, name: str) -> str:
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.file), name))
