"""``kgate credential``: kubectl runs it for a token (client.authentication.k8s.io, v1 and v1beta1).

It prints the credential and nothing else on stdout. It talks to the person only where kubectl says that somebody sits there (``interactive``), and only if
the kubeconfig was made so (``kgate kubeconfig --interactive``): in k9s and its like, whatever is printed lands in the middle of the screen.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import click

from kgate.cli.refreshing import SignedOutError, fresh
from kgate.cli.wallet import Kept, Wallet
from kgate.errors import UsageError

GROUP = "client.authentication.k8s.io"
VERSIONS = (f"{GROUP}/v1", f"{GROUP}/v1beta1")


@click.command()
@click.option("--gate", default="", help="The gate's URL; default: the one that you signed in to last.")
@click.option(
    "--client-certificate", type=click.Path(path_type=Path), help="A certificate to show beside the token, such as the device's (PEM)."
)
@click.option("--client-key", type=click.Path(path_type=Path), help="Its key (PEM).")
def credential(gate: str, client_certificate: Path | None, client_key: Path | None) -> None:
    """Print a credential for kubectl, which runs this by itself: see kgate kubeconfig."""
    version, interactive = asked_for(os.environ.get("KUBERNETES_EXEC_INFO", ""))
    if (client_certificate is None) != (client_key is None):
        raise UsageError("--client-certificate and --client-key go together; name both")
    wallet = Wallet()
    gate = _as_kept(gate, wallet) if gate else wallet.current()
    if not gate:
        raise SignedOutError("you are not signed in; run: kgate login URL")
    try:
        kept = fresh(wallet, gate)
    except SignedOutError:
        if not interactive:
            raise
        from kgate.cli.login import sign_in_again

        kept = sign_in_again(wallet, gate)
    status = {"token": kept.token, "expirationTimestamp": instant(kept)}
    if client_certificate is not None and client_key is not None:
        status |= {"clientCertificateData": _text(client_certificate), "clientKeyData": _text(client_key)}
    click.echo(json.dumps({"kind": "ExecCredential", "apiVersion": version, "status": status}))


def _as_kept(gate: str, wallet: Wallet) -> str:
    """Its URL as ``kgate login`` keeps it, which is how ``kgate kubeconfig`` writes it: whoever wrote it by hand may have written it otherwise."""
    if wallet.read(gate) is not None:
        return gate
    from kgate.cli.gate_client import gate_url

    return gate_url(gate)


def asked_for(info: str) -> tuple[str, bool]:
    """The protocol's version that the client speaks, and whether somebody sits there. Raises UsageError for a version that is not known."""
    if not info:
        return VERSIONS[0], sys.stdin.isatty() and sys.stderr.isatty()
    try:
        document = json.loads(info)
        version, interactive = document["apiVersion"], document.get("spec", {}).get("interactive", False)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError("KUBERNETES_EXEC_INFO is not an ExecCredential; kubectl sets it, do not set it yourself") from None
    if version not in VERSIONS:
        raise UsageError(f"this client asks for {version}; kgate speaks {' and '.join(VERSIONS)}: write one of them into the kubeconfig")
    return version, interactive is True


def instant(kept: Kept) -> str:
    """When the token ends, as Kubernetes writes instants."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(kept.token_expires))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as PEM: {getattr(error, 'strerror', None) or 'it has more than ASCII'}") from None
