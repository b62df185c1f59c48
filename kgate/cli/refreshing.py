"""A token for a gate that this machine is signed in to: the kept one while it is fresh, else a refresh, one for all who ask at once."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace

from kgate.cli.wallet import Kept, Wallet
from kgate.errors import KgateError, UnreachableError

CLIENT_ID = "kgate"


class SignedOutError(KgateError):
    """There is no session, or it is over: only a person can go on."""


def fresh(wallet: Wallet, gate: str) -> Kept:
    """What is kept of ``gate``, with a token that can be used. Raises SignedOutError, UnreachableError."""
    kept = wallet.read(gate)
    if kept is not None and kept.is_fresh():
        return kept
    if kept is None:
        raise SignedOutError(f"you are not signed in to {gate}; run: kgate login {gate}")
    with wallet.lock(gate):
        return _refreshed(wallet, gate)


def _refreshed(wallet: Wallet, gate: str) -> Kept:
    from kgate.cli.gate_client import GateClient

    kept = wallet.read(gate)  # somebody else may have refreshed while this one waited for the lock
    if kept is None:
        raise SignedOutError(f"you are not signed in to {gate}; run: kgate login {gate}")
    if kept.is_fresh():
        return kept
    if not kept.following:
        kept = replace(kept, following=secrets.token_urlsafe(32))
        wallet.write(kept)
    form = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": kept.secret, "refresh_next": digest(kept.following)}
    status, answer = GateClient(gate, kept.certificate_authority).post("/oauth2/token", form)
    if status == 200:
        made = kept.with_token(str(answer["access_token"]), float(answer["expires_in"]))
        wallet.write(made)
        return made
    if answer.get("error") == "invalid_grant":
        wallet.forget(gate)
        raise SignedOutError(f"{answer.get('error_description', 'your session is over')} (kgate login {gate})")
    raise UnreachableError(f"{gate} does not give a token: {answer.get('error_description') or answer.get('message') or status}")


def digest(secret: str) -> str:
    """What the gate is told of a secret before it is used."""
    return hashlib.sha256(secret.encode()).hexdigest()
