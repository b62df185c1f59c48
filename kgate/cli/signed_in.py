"""``kgate whoami``, ``kgate clusters`` and ``kgate kubeconfig``: what the gate knows of the person who is signed in."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click
import yaml

from kgate.cli.gate_client import Document, GateClient, gate_url, safe
from kgate.cli.kubeconfig_file import kubeconfig_path, locked, merge_kubeconfig, read_kubeconfig, write_kubeconfig
from kgate.cli.output import OUTPUT, as_json, counted, table
from kgate.cli.refreshing import SignedOutError, fresh
from kgate.cli.wallet import Kept, Wallet
from kgate.errors import KgateError, UsageError
from kgate.kube.client_kubeconfig import GateContext, LoginPlugin, render_kubeconfig

GATE = click.option("--gate", default="", help="The gate's URL; default: the one that you signed in to last.")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
HINT = "kgate is the gate's command: pip install kgate, then kgate login"


@click.command()
@GATE
@OUTPUT
def whoami(gate: str, output: str) -> None:
    """Show who you are to the gate: user, groups and where they came from, session, device, clusters."""
    kept, client = _signed_in(gate)
    document = client.get("/kgate/v1/whoami", kept.token)
    document |= {"gate": kept.gate, "clusters": [each["name"] for each in _clusters(client, kept)]}
    if output == "json":
        as_json(document)
        return
    sources = document.get("group_sources", {})
    groups = [f"{group} ({sources[group]})" if group in sources else group for group in document.get("groups", [])]
    shown = {**document, "groups": ", ".join(groups) or "none", "clusters": ", ".join(document["clusters"]) or "none"}
    for name in _ORDER:
        if name in shown:
            click.echo(f"{name.replace('_', ' '):10} {safe(_cell(shown[name]))}")


_ORDER = ("user", "groups", "issuer", "gate", "session", "expires", "signed_in", "acr", "amr", "device", "robot", "clusters")


def list_clusters(gate: str, output: str) -> None:
    """``kgate clusters``."""
    kept, client = _signed_in(gate)
    found = _clusters(client, kept)
    if output == "json":
        as_json(found)
    elif not found:
        click.echo("there is no cluster that you may see; ask whoever runs the gate for access", err=True)
    else:
        table(("name", "labels", "server"), [(each["name"], _labels(each), each["server"]) for each in found])


@click.command()
@GATE
@click.option("--merge", is_flag=True, help="Put the contexts into your kubeconfig ($KUBECONFIG, ~/.kube/config) instead of printing them.")
@click.option(
    "--interactive", is_flag=True, help="Let kubectl open a browser when the session is over. Not for k9s, whose screen it would garble."
)
@click.option("--client-certificate", type=FILE, help="A certificate to show beside the token, such as the device's: its file.")
@click.option("--client-key", type=FILE, help="Its key's file.")
def kubeconfig(gate: str, merge: bool, interactive: bool, client_certificate: Path | None, client_key: Path | None) -> None:
    """Write a context for each cluster that you may see. It holds no secret: kubectl asks kgate credential for a token."""
    if (client_certificate is None) != (client_key is None):
        raise UsageError("--client-certificate and --client-key go together; name both")
    kept, client = _signed_in(gate)
    document = client.get("/kgate/v1/clusters", kept.token)
    found = document["clusters"]
    if not found:
        raise KgateError("there is no cluster that you may see; ask whoever runs the gate for access")
    args = ["credential", "--gate", kept.gate]
    if client_certificate is not None and client_key is not None:
        args += ["--client-certificate", str(client_certificate.absolute()), "--client-key", str(client_key.absolute())]
    user = f"{kept.user}@{kept.gate.removeprefix('https://')}"
    plugin = LoginPlugin(_command(), tuple(args), HINT, interactive=interactive)
    authority = (kept.certificate_authority or document.get("certificate_authority") or "").encode() or None
    text = render_kubeconfig([GateContext(each["name"], each["server"], user) for each in found], {user: plugin}, authority)
    if not merge:
        click.echo(text, nl=False)
        return
    path = kubeconfig_path()
    with locked(path):
        merged = merge_kubeconfig(read_kubeconfig(path), yaml.safe_load(text), path)
        write_kubeconfig(path, yaml.safe_dump(merged, sort_keys=False, allow_unicode=True, width=4096))
    click.echo(f"{path}: {counted(len(found), 'context')} of {kept.gate}; the current one is {merged['current-context']}")


def _command() -> str:
    """What kubectl is to run: the bare name where PATH finds this very command, else its whole path."""
    own = os.path.abspath(sys.argv[0])
    found = shutil.which("kgate")
    return "kgate" if found is not None and os.path.realpath(found) == os.path.realpath(own) else own


def _signed_in(gate: str) -> tuple[Kept, GateClient]:
    wallet = Wallet()
    url = gate_url(gate) if gate else wallet.current()
    if not url:
        raise SignedOutError("you are not signed in; run: kgate login URL")
    kept = fresh(wallet, url)
    return kept, GateClient(url, kept.certificate_authority)


def _clusters(client: GateClient, kept: Kept) -> list[Document]:
    found: list[Document] = client.get("/kgate/v1/clusters", kept.token)["clusters"]
    return found


def _labels(cluster: Document) -> str:
    return ",".join(f"{key}={value}" for key, value in cluster.get("labels", {}).items())


def _cell(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
