"""``kgate login`` and ``kgate logout``: by a browser on this machine, or by a code for a browser elsewhere."""

from __future__ import annotations

import secrets
import sys
import time
import webbrowser
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import click

from kgate.cli.gate_client import Document, GateClient, gate_url, safe
from kgate.cli.loopback import Loopback
from kgate.cli.refreshing import CLIENT_ID, digest
from kgate.cli.wallet import Kept, Wallet
from kgate.documents.pem import certificates_in
from kgate.errors import KgateError, UnreachableError, UsageError
from kgate.identity.pkce import METHOD, challenge_of

WAIT_SECONDS = 600.0
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@click.command()
@click.argument("gate", required=False, default="")
@click.option("--device", is_flag=True, help="Show a code to type into a browser elsewhere, where this machine has none.")
@click.option("--no-browser", is_flag=True, help="Print the link instead of opening a browser.")
@click.option("--step-up", is_flag=True, help="Be asked anew by the identity provider, as strongly as the gate demands.")
@click.option("--issuer", default="", help="Which identity provider, where the gate knows several: its URL.")
@click.option("--cluster", "clusters", multiple=True, help="Sign in for these clusters only (names or globs, may be given again).")
@click.option("--certificate-authority", type=click.Path(path_type=Path), help="Whoever signs the gate's certificate (PEM); remembered.")
def login(
    gate: str, device: bool, no_browser: bool, step_up: bool, issuer: str, clusters: tuple[str, ...], certificate_authority: Path | None
) -> None:
    """Sign in to GATE, as https://kube.example.com:8443; without GATE, to the one that you signed in to last."""
    wallet = Wallet()
    url = gate_url(gate) if gate else wallet.current()
    if not url:
        raise UsageError("which gate? Run: kgate login https://GATE")
    if device and step_up:
        raise UsageError("--step-up needs a browser on this machine; leave --device out")
    if device and issuer:
        raise UsageError("--issuer goes not with --device: the identity provider is chosen in the browser; leave one of them out")
    wallet.prepare()
    before = wallet.read(url)
    authority = _authority(certificate_authority) if certificate_authority is not None else wallet.authority(url)
    client = GateClient(url, authority)
    scope = " ".join(clusters) or (wallet.scope(url) if step_up else "")
    asked = {"clusters": scope} if scope else {}
    kept = _by_device(client, asked) if device else _by_browser(client, asked, issuer, step_up, no_browser)
    with wallet.lock(url):
        wallet.write(replace(kept, certificate_authority=authority))
        wallet.limit(url, scope)
        wallet.choose(url)
    if before is not None and not step_up:
        _end(client, before)
    click.echo(f"signed in to {url} as {safe(kept.user)} until {time.strftime('%Y-%m-%d %H:%M', time.localtime(kept.session_expires))}")


@click.command()
@click.argument("gate", required=False, default="")
def logout(gate: str) -> None:
    """End the session with GATE: what runs under it is cut, and what this machine keeps of it is removed."""
    wallet = Wallet()
    url = gate_url(gate) if gate else wallet.current()
    kept = wallet.read(url) if url else None
    if kept is None:
        raise KgateError(f"you are not signed in{f' to {url}' if url else ''}; there is nothing to end")
    with wallet.lock(url):
        kept = wallet.read(url) or kept
        ended = _end(GateClient(url, kept.certificate_authority), kept)
        wallet.forget(url)
    click.echo(f"signed out of {url}" if ended else f"the session with {url} was over already; what was kept of it is removed")


def sign_in_again(wallet: Wallet, gate: str) -> Kept:
    """For ``kgate credential``, where somebody sits at the terminal: by the browser, once for all who ask meanwhile, for the clusters of the last sign-in."""
    with wallet.lock(gate):
        kept = wallet.read(gate)
        if kept is not None and kept.is_fresh():
            return kept
        authority, scope = wallet.authority(gate), wallet.scope(gate)
        asked = {"clusters": scope} if scope else {}
        kept = replace(_by_browser(GateClient(gate, authority), asked, "", False, False), certificate_authority=authority)
        wallet.write(kept)
        return kept


def _by_browser(client: GateClient, asked: dict[str, str], issuer: str, step_up: bool, no_browser: bool) -> Kept:
    """Authorization code with PKCE (RFC 8252)."""
    own = client.signs_in()
    if own != client.gate:  # what the browser brings would be another gate's answer, by its name
        raise KgateError(f"{client.gate} calls itself {safe(own)}; run: kgate login {safe(own)}")
    state, verifier, secret = (secrets.token_urlsafe(32) for _ in range(3))
    loopback = Loopback(state, client.gate)
    try:
        parameters = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": loopback.uri,
            "state": state,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": METHOD,
            **asked,
            **({"issuer": issuer} if issuer else {}),
            **({"step_up": "1"} if step_up else {}),
        }
        link = f"{client.gate}/oauth2/authorize?{urlencode(parameters)}"
        opened = not no_browser and webbrowser.open(link)
        _say(
            "kgate: sign in with the browser that just opened; if none did, open:"
            if opened
            else "kgate: open this link in a browser of this machine to sign in, or stop and run kgate login --device:"
        )
        _say(link)
        answer = loopback.wait(WAIT_SECONDS)
    finally:
        loopback.close()
    if not answer:
        raise KgateError("nobody signed in within ten minutes; run kgate login again, or kgate login --device")
    if "code" not in answer:
        raise KgateError(f"the sign-in failed: {answer.get('error_description') or answer.get('error') or 'there was no answer'}")
    form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": loopback.uri, "code_verifier": verifier}
    status, document = client.post("/oauth2/token", {**form, "client_id": CLIENT_ID, "refresh_next": digest(secret)})
    return _kept(client.gate, secret, status, document)


def _by_device(client: GateClient, asked: dict[str, str]) -> Kept:
    """Device authorization grant (RFC 8628)."""
    client.signs_in()
    secret = secrets.token_urlsafe(32)
    status, begun = client.post("/oauth2/device_authorization", {"client_id": CLIENT_ID, **asked})
    if status != 200:
        raise KgateError(f"the sign-in could not begin: {_words(begun, status)}")
    _say(f"kgate: open {begun['verification_uri']} in a browser and type this code: {begun['user_code']}")
    _say(f"kgate: or open {begun['verification_uri_complete']} and compare the code")
    interval, until = float(begun.get("interval", 5)), time.monotonic() + float(begun["expires_in"])
    form = {"grant_type": DEVICE_GRANT, "client_id": CLIENT_ID, "device_code": str(begun["device_code"]), "refresh_next": digest(secret)}
    while time.monotonic() < until:
        time.sleep(interval)
        try:
            status, answer = client.post("/oauth2/token", form)
        except UnreachableError:
            interval = min(interval * 2, 60)  # RFC 8628 section 3.5: back off where the server cannot be reached
            continue
        if answer.get("error") == "slow_down":
            interval += 5
        elif answer.get("error") != "authorization_pending":
            return _kept(client.gate, secret, status, answer)
    raise KgateError("nobody signed in within ten minutes; run kgate login --device again")


def _kept(gate: str, secret: str, status: int, answer: Document) -> Kept:
    if status != 200:
        raise KgateError(f"the sign-in failed: {_words(answer, status)}")
    made = Kept(gate, str(answer["user"]), str(answer["session"]), float(answer["session_expires"]), secret)
    return made.with_token(str(answer["access_token"]), float(answer["expires_in"]))


def _end(client: GateClient, kept: Kept) -> bool:
    """End a session at the gate, which knows it by any secret that it ever had."""
    status, answer = client.post("/oauth2/revoke", {"client_id": CLIENT_ID, "token": kept.secret})
    return status == 200 and answer.get("ended") is True


def _words(answer: Document, status: int) -> str:
    return str(answer.get("error_description") or answer.get("message") or answer.get("error") or f"the gate answered {status}")


def _authority(path: Path) -> str:
    """The certificates of the file, without what else is said in it."""
    try:
        found = certificates_in(path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {(error.strerror or '').lower()}; name the file of the gate's CA") from None
    if not found:
        raise UsageError(f"{path} has no certificate in it (PEM); name the file of the gate's CA")
    return "\n".join(found)


def _say(text: str) -> None:
    """For the person, on stderr: stdout may be kubectl's."""
    print(safe(text), file=sys.stderr, flush=True)
