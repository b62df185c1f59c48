"""The gate, asked in the name of whoever signed in with ``kgate login``, or else as kubectl would: server, trust and credential of the kubeconfig's context.

Where a cluster has a host name of its own, everything at that name is the cluster's: then the gate's own URL is the one that ``kgate credential`` was given in
the kubeconfig, or whatever ``--gate`` says.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
from pathlib import Path
from typing import Any

from attrs import define

from kgate.cli.gate_client import gate_url
from kgate.cli.refreshing import fresh
from kgate.cli.wallet import Wallet
from kgate.documents.reading import decode
from kgate.documents.values import Unacceptable
from kgate.errors import KgateError, UnreachableError, UsageError
from kgate.kube.cluster_access import ClusterAccess, Server, parse_server, token_of
from kgate.kube.execplugin import ExecPlugin, parse_exec_credential
from kgate.kube.kubeconfig import Kubeconfig, parse_kubeconfig
from kgate.net.contexts import client_context

SECONDS = 20.0
MOST_ANSWER = 4 * 1024 * 1024


@define
class _Shown:
    """What is shown to the gate."""

    token: str = ""
    certificate: bytes = b""
    key: bytes = b""


def the_gate(context: str = "", gate: str = "") -> GateApi:
    """See the module; a ``context`` that is named is meant. Raises KgateError where there is neither a session nor a kubeconfig."""
    wallet = Wallet()
    url = "" if context else gate_url(gate) if gate else wallet.current()
    if url and wallet.read(url) is not None:
        kept = fresh(wallet, url)
        return GateApi(_server(url), _Shown(kept.token), kept.certificate_authority, trusted=True)
    access = _access(context)
    url = gate_url(gate) if gate else _gate_of(access)
    authority = (access.certificate_authority or b"").decode("ascii", "replace")
    return GateApi(_server(url) if url else access.server, _credential(access), authority, trusted=not access.insecure)


class GateApi:
    """The JSON of one gate. ``authority`` is PEM, empty where the system's roots are meant; not ``trusted`` is a kubeconfig's own relaxation."""

    def __init__(self, server: Server, shown: _Shown, authority: str, *, trusted: bool) -> None:
        self._server, self._shown, self._authority, self._trusted = server, shown, authority, trusted

    def get(self, path: str) -> Any:
        """The JSON at ``path`` of the gate itself."""
        return self._ask("GET", path, None)

    def post(self, path: str, document: dict[str, str]) -> Any:
        """The gate's JSON answer to ``document``."""
        return self._ask("POST", path, json.dumps(document))

    def _ask(self, method: str, path: str, body: str | None) -> Any:
        server = self._server
        headers = {"accept": "application/json", "host": server.authority}
        if self._shown.token:
            headers["authorization"] = f"Bearer {self._shown.token}"
        if body is not None:
            headers["content-type"] = "application/json"
        connection = http.client.HTTPSConnection(server.host, server.port, timeout=SECONDS, context=self._tls())
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return _read(answer.status, answer.read(MOST_ANSWER))
        except ssl.SSLCertVerificationError as error:
            raise UnreachableError(f"the certificate of {server.url} is not trusted: {error.verify_message}") from error
        except TimeoutError as error:  # whose own words are OpenSSL's, or none
            raise UnreachableError(f"the gate at {server.url} does not answer within {SECONDS:g} s; is it running?") from error
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(f"the gate at {server.url} does not answer: {error}; is it running?") from error
        finally:
            connection.close()

    def _tls(self) -> ssl.SSLContext:
        return client_context(self._authority, self._shown.certificate, self._shown.key, verify=self._trusted)


def _read(status: int, body: bytes) -> Any:
    """The answer, where it is one; what is wrong, where it is a ``Status``."""
    try:
        document = json.loads(body)
    except ValueError:
        raise UnreachableError(
            f"what answered ({status}) is not a gate; name it: --gate URL (a host name of a cluster is the cluster alone)"
        ) from None
    if status >= 400:
        text = str(document.get("message", "")) if isinstance(document, dict) else ""
        if status == 503:
            raise UnreachableError(text.removeprefix("kgate: ") or "the gate cannot answer now; try again")
        raise KgateError(text.removeprefix("kgate: ") or f"the gate refused with {status}")
    return document


def _access(context: str) -> ClusterAccess:
    files = _kubeconfigs()
    wanted = context or next((file.current for file in files if file.current), "")
    found = next((file for file in files if wanted in file.contexts), None)
    if found is None:
        names = "you are not signed in (kgate login URL), and no context is current" if not wanted else f'there is no context "{wanted}"'
        raise UsageError(f"{names} in {', '.join(file.file for file in files) or 'any kubeconfig'}; name one with --context")
    return found.access(lambda path: Path(path).read_bytes(), wanted, allow_insecure=True)


def _kubeconfigs() -> list[Kubeconfig]:
    """As kubectl finds them."""
    named = [Path(each) for each in os.environ.get("KUBECONFIG", "").split(os.pathsep) if each]
    found: list[Kubeconfig] = []
    for path in named or [Path.home() / ".kube" / "config"]:
        if path.exists():
            try:
                found.append(parse_kubeconfig(decode(path.read_bytes(), str(path)), str(path)))
            except OSError as error:
                raise UsageError(_unreadable(path, error)) from error
    return found


def _gate_of(access: ClusterAccess) -> str:
    """The gate's URL in ``kgate credential --gate URL``; empty where kubectl gets its credential in another way."""
    args = access.credential.plugin.args if access.credential.plugin is not None else ()
    return next((args[place + 1] for place, each in enumerate(args[:-1]) if each == "--gate"), "")


def _server(url: str) -> Server:
    try:
        return parse_server(url)
    except Unacceptable as error:
        raise UsageError(f"{url} {error.text}; {error.hint}") from error


def _unreadable(path: Path, error: OSError) -> str:
    return f"{path} cannot be read: {(error.strerror or str(error)).lower()}"


def _credential(access: ClusterAccess) -> _Shown:
    given = access.credential
    if given.plugin is not None:
        return _plugin(access, given.plugin)
    token = given.token
    if given.token_file:
        try:
            token = (token_of(Path(given.token_file).read_bytes()) or b"").decode()
        except OSError as error:
            raise UsageError(_unreadable(Path(given.token_file), error)) from error
    return _Shown(token, given.certificate, given.key)


def _plugin(access: ClusterAccess, plugin: ExecPlugin) -> _Shown:
    environment = {**os.environ, **dict(plugin.env), "KUBERNETES_EXEC_INFO": access.exec_info()}
    try:
        done = subprocess.run([plugin.command, *plugin.args], env=environment, stdout=subprocess.PIPE, check=False)
    except OSError as error:
        raise UsageError(
            f"{plugin.command} cannot be run: {error.strerror}{'; ' + plugin.install_hint if plugin.install_hint else ''}"
        ) from error
    if done.returncode:
        raise KgateError(f"{plugin.command} ended with {done.returncode}, so there is no credential for the gate; sign in again")
    made = parse_exec_credential(done.stdout, plugin)
    if isinstance(made, str):
        raise KgateError(f"{plugin.command}: {made}")
    return _Shown(made.token, made.certificate, made.key)
