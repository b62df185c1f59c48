"""Exec credential plugins: a program that prints the credential, by the protocol of ``client.authentication.k8s.io``.

The program learns what it is for from ``KUBERNETES_EXEC_INFO`` and prints an ``ExecCredential`` (v1 or v1beta1) with a token, a client certificate
or both, and perhaps when they expire. It runs unattended in a gate, so one that insists on a terminal cannot be used. Running it is
net/'s; here is what it is told and what it may answer.
"""

from __future__ import annotations

import re

import orjson
from attrs import field, frozen

from kgate.documents.reading import Mapping, Sequence
from kgate.documents.structuring import describe
from kgate.documents.values import Unacceptable, instant
from kgate.model import Pairs

GROUP = "client.authentication.k8s.io"
VERSIONS = (f"{GROUP}/v1", f"{GROUP}/v1beta1")
MODES = ("Never", "IfAvailable", "Always")
MAX_OUTPUT = 1024 * 1024

_KEYS = ("apiVersion", "command", "args", "env", "provideClusterInfo", "interactiveMode", "installHint", "stdinUnavailable")
_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")

Fault = tuple[str, str, str]
"""Key, what is wrong with it, and what to do."""


@frozen
class ExecPlugin:
    """What to run. A ``command`` without a slash is looked up in PATH; ``env`` is added to the environment."""

    api_version: str
    command: str
    args: tuple[str, ...] = ()
    env: Pairs = field(default=(), repr=False)
    provide_cluster_info: bool = False
    install_hint: str = ""
    """What its makers say to somebody who does not have it."""


@frozen
class ExecCredential:
    """What a plugin printed. ``expires`` is None where it did not say: the credential is good until the cluster refuses it."""

    token: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    expires: float | None = None


def read_exec_plugin(entry: Mapping) -> tuple[ExecPlugin, list[Fault]]:
    """``users[].user.exec`` of a kubeconfig, and everything that is wrong with it."""
    faults: list[Fault] = [(key, f'"{key}" means nothing under exec', "") for key in entry if key not in _KEYS]
    version, command = _text(entry, "apiVersion", faults), _text(entry, "command", faults)
    mode, hint = _text(entry, "interactiveMode", faults), _text(entry, "installHint", faults)
    if version not in VERSIONS:
        faults.append(("apiVersion", f'"{version}" is not a version of the plugin protocol', "kgate speaks " + " and ".join(VERSIONS)))
    if not command:
        faults.append(("command", "exec names no command", "write command: PROGRAM"))
    if mode == "Always" or (mode and mode not in MODES):
        faults.append(("interactiveMode", "the gate has no terminal to offer", "use a plugin that works with interactiveMode: Never"))
    elif not mode and version == VERSIONS[0]:
        faults.append(("interactiveMode", "interactiveMode is missing", "write interactiveMode: Never"))
    cluster_info = entry.get("provideClusterInfo", False)
    if not isinstance(cluster_info, bool):
        faults.append(("provideClusterInfo", f"provideClusterInfo must be true or false, not {describe(cluster_info)}", ""))
    return ExecPlugin(version, command, _args(entry, faults), _env(entry, faults), cluster_info is True, hint), faults


def _text(entry: Mapping, key: str, faults: list[Fault]) -> str:
    value = entry.get(key)
    if value is not None and not isinstance(value, str):
        faults.append((key, f"{key} must be text, not {describe(value)}", "put it in quotes"))
    return value if isinstance(value, str) else ""


def _args(entry: Mapping, faults: list[Fault]) -> tuple[str, ...]:
    value = entry.get("args")
    if value is None:
        return ()
    if not isinstance(value, Sequence) or not all(isinstance(each, str) for each in value):
        faults.append(("args", "args must be a list of texts", "put numbers and true or false in quotes"))
        return ()
    return tuple(value)


def _env(entry: Mapping, faults: list[Fault]) -> Pairs:
    value = entry.get("env")
    pairs = []
    for each in value if isinstance(value, Sequence) else ():
        name, text = (each.get("name"), each.get("value")) if isinstance(each, Mapping) else (None, None)
        if isinstance(name, str) and isinstance(text, str) and name and "=" not in name:
            pairs.append((name, text))
        else:
            faults.append(("env", "an entry of env is not a name with a value", "write - {name: NAME, value: TEXT}"))
    if value is not None and not isinstance(value, Sequence):
        faults.append(("env", f"env must be a list, not {describe(value)}", "write - {name: NAME, value: TEXT}"))
    return tuple(pairs)


def exec_info(plugin: ExecPlugin, cluster: dict[str, object]) -> str:
    """The value of ``KUBERNETES_EXEC_INFO``; ``cluster`` (``spec.cluster``) is left out where the plugin does not ask for it."""
    spec: dict[str, object] = {"interactive": False}
    if plugin.provide_cluster_info:
        spec["cluster"] = cluster
    return orjson.dumps({"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec}).decode()


def parse_exec_credential(output: bytes, plugin: ExecPlugin) -> ExecCredential | str:
    """What the plugin printed, or the rest of a sentence that begins with its name. The output itself is never quoted: it may be a secret."""
    if len(output) > MAX_OUTPUT:
        return f"printed more than {MAX_OUTPUT // 1024} KiB"
    try:
        document = orjson.loads(output)
    except orjson.JSONDecodeError:
        return "did not print JSON; run it by hand to see what it says"
    if not isinstance(document, dict) or document.get("kind") != "ExecCredential":
        return "did not print an ExecCredential"
    if document.get("apiVersion") != plugin.api_version:
        return f"did not answer in {plugin.api_version}; put the version that it speaks into the kubeconfig's exec.apiVersion"
    status = document.get("status")
    return _credential(status) if isinstance(status, dict) else "printed no credential (status is missing)"


def _credential(status: dict[str, object]) -> ExecCredential | str:
    values = {}
    for key in ("token", "clientCertificateData", "clientKeyData", "expirationTimestamp"):
        value = status.get(key)
        if value is not None and not isinstance(value, str):
            return f"printed a {key} that is not text"
        values[key] = value or ""
    token, certificate, key = values["token"], values["clientCertificateData"], values["clientKeyData"]
    if bool(certificate) != bool(key):
        return "printed a client certificate without its key, or a key without its certificate"
    if not token and not certificate:
        return "printed neither a token nor a client certificate"
    if token and not _TOKEN.fullmatch(token):
        return "printed a token with characters that no token has"
    if certificate and ("-----BEGIN CERTIFICATE-----" not in certificate or "PRIVATE KEY-----" not in key):
        return "printed a client certificate or key that is not PEM"
    try:
        expires = instant(values["expirationTimestamp"]) if values["expirationTimestamp"] else None
    except Unacceptable:
        return "printed an expirationTimestamp that is not an RFC 3339 instant"
    return ExecCredential(token, certificate.encode(), key.encode(), expires)
