"""A session for what ``kgate login`` shows at the token endpoint: a browser's code, a device's, a refresh secret (RFC 6749 sections 4.1.3 and 6, RFC 8628
section 3.4). Each counts once, for the client that it was made for: what is shown twice, or by somebody else, ends what came of it.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, frozen
from sqlalchemy import Connection

from kgate.api.signing_in import WITHDRAWN, Asker, SignIns
from kgate.identity.pkce import proves
from kgate.net.database import Store
from kgate.store.codes import Code, CodeState, find_code, update_code
from kgate.store.sealing import digest
from kgate.store.sessions import (
    Kind,
    Rotation,
    Session,
    add_refresh_secret,
    end_sessions,
    find_session,
    open_session,
    rotate,
    session_of_refresh_secret,
)

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
POLL_SECONDS = 5
REPLAYED = "its sign-in code was redeemed twice, so somebody has a copy of it"
_GONE = {
    CodeState.DENIED: "the sign-in was refused on the gate's page, or begun by another program",
    CodeState.WITHDRAWN: f"{WITHDRAWN}; run kgate login again",
}

Form = dict[str, str]


@frozen
class Refused:
    """An error of the token endpoint (RFC 6749 section 5.2, RFC 8628 section 3.5)."""

    error: str
    text: str = ""


_NO_CODE = Refused("invalid_grant", "the sign-in code is not known, or too old; run kgate login again")
_NO_DEVICE = Refused("invalid_grant", "there is no such device code")
_NO_SESSION = Refused("invalid_grant", "your session is over; run kgate login")


class Redemption:
    """See the module."""

    def __init__(self, signins: SignIns, wall: Callable[[], float]) -> None:
        self._signins, self._wall = signins, wall

    async def session(self, form: Form, asker: Asker) -> Session | Refused:
        """What the form's grant is worth. Raises StoreUnavailableError."""
        grants = {"authorization_code": self._by_code, "refresh_token": self._by_refresh_secret, DEVICE_GRANT: self._by_device}
        grant = grants.get(form.get("grant_type", ""))
        return await grant(form, asker) if grant is not None else Refused("unsupported_grant_type")

    async def _by_code(self, form: Form, asker: Asker) -> Session | Refused:
        verifier, uri = form.get("code_verifier", ""), form.get("redirect_uri", "")

        def good(code: Code) -> Refused | None:
            if code.user_code is None and code.redirect_uri == uri and proves(verifier, code.challenge):
                return None
            return Refused("invalid_grant", "the sign-in was begun by another program")

        return await self._redeem(form.get("code", ""), form["refresh_next"], Kind.CLI, asker, good)

    async def _by_device(self, form: Form, asker: Asker) -> Session | Refused:
        code = form.get("device_code", "")
        if not await is_known(self._signins.store, find_code, code):
            return _NO_DEVICE
        state = await self._signins.store.write(lambda connection: self._polled(connection, code))
        if state is not None:
            return state
        return await self._redeem(code, form["refresh_next"], Kind.DEVICE, asker, lambda found: None)

    def _polled(self, connection: Connection, device_code: str) -> Refused | None:
        """What a device is told that asks whether its person has signed in (RFC 8628 section 3.5)."""
        code, now = find_code(connection, digest(device_code)), self._wall()
        if code is None or code.user_code is None:
            return _NO_DEVICE
        if code.state is CodeState.REDEEMED:
            return None
        if code.state in _GONE:
            return Refused("access_denied", _GONE[code.state])
        if code.expires <= now:
            return Refused("expired_token", "nobody signed in within ten minutes; run kgate login --device again")
        if code.state is CodeState.APPROVED:
            return None
        update_code(connection, evolve(code, polled=now))
        return Refused("slow_down" if now - code.polled < POLL_SECONDS - 1 else "authorization_pending")

    async def _redeem(
        self, code: str, following: str, kind: Kind, asker: Asker, good: Callable[[Code], Refused | None]
    ) -> Session | Refused:
        """A code for a session, once."""
        now = self._wall()
        found: Code | Session | Refused = _NO_CODE
        if await is_known(self._signins.store, find_code, code):
            found = await self._signins.store.write(lambda connection: _take(connection, code, following, now, good))
        if isinstance(found, Refused):
            await self._signins.recorder.login(False, asker, None, "", found.text, kind.value)
        if not isinstance(found, Code):
            return found
        person = found.person
        if person is None:
            raise AssertionError("a code that was approved has its person")
        session = self._signins.new_session(kind, person, asker.address, found.clusters, found.provider_tokens)
        if not await self._signins.recorder.login(True, asker, person, session.id, "", kind.value):
            return Refused("temporarily_unavailable", "the sign-in could not be put on record; try again in a while")

        def redeemed(connection: Connection) -> Session | Refused:
            again = _take(connection, code, following, now, good)
            if not isinstance(again, Code):
                return again
            open_session(connection, session, found.provider_tokens)
            add_refresh_secret(connection, session.id, following, now)
            update_code(connection, evolve(again, state=CodeState.REDEEMED, session=session.id, provider_tokens=""))
            return session

        return await self._signins.store.write(redeemed)

    async def _by_refresh_secret(self, form: Form, asker: Asker) -> Session | Refused:
        now, used = self._wall(), form.get("refresh_token", "")
        if not await is_known(self._signins.store, session_of_refresh_secret, used):
            return _NO_SESSION
        outcome, session = await self._signins.store.write(lambda connection: rotate(connection, digest(used), form["refresh_next"], now))
        if outcome is Rotation.DONE and session is not None:
            return session
        if outcome is Rotation.REUSED and session is not None:
            why = "a refresh secret was used twice: somebody has a copy of it, so the session was ended"
            await self._signins.recorder.login(False, asker, session.person, session.id, why, session.kind.value)
            return Refused("invalid_grant", f"{why}; run kgate login, and find out who else has your files")
        if session is not None:
            return Refused("invalid_grant", f"your session ended: {session.ended_why or 'its time is up'}; run kgate login")
        return _NO_SESSION


async def is_known(store: Store, find: Callable[[Connection, str], object | None], shown: str) -> bool:
    """Whether somebody was given that. What a stranger makes up has nothing written: the store's one writer is what news of who is out waits for, too."""
    return await store.read(lambda connection: find(connection, digest(shown))) is not None


def _take(
    connection: Connection, code: str, following: str, now: float, good: Callable[[Code], Refused | None]
) -> Code | Session | Refused:
    """The code where it can be redeemed now; the session that the very same client redeemed it for already; or what is wrong."""
    found = find_code(connection, digest(code))
    if found is None or (found.expires <= now and found.state is not CodeState.REDEEMED):
        return _NO_CODE
    if found.state is CodeState.REDEEMED:
        outcome, session = _same_client(connection, found.session, following)
        if outcome and session is not None:
            return session
        end_sessions(connection, [found.session], REPLAYED, now)
        return Refused("invalid_grant", "the sign-in code was used already: somebody has a copy of it, so the session was ended")
    if found.state in _GONE:
        return Refused("invalid_grant", _GONE[found.state])
    refused = good(found) if found.state is CodeState.APPROVED else Refused("invalid_grant", "the sign-in was not approved")
    if refused is not None:
        update_code(connection, evolve(found, state=CodeState.DENIED, provider_tokens=""))
    return refused if refused is not None else found


def _same_client(connection: Connection, id_: str, following: str) -> tuple[bool, Session | None]:
    """Whether ``following`` is a refresh secret of the session: then it is the client that redeemed the code, whose answer was lost."""
    owner, session = session_of_refresh_secret(connection, following), find_session(connection, id_)
    return owner is not None and owner.id == id_ and session is not None and session.ended is None, session
