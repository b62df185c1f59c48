"""The gate's pages: sign in, what one may see, a kubeconfig to take along, connecting a device. They work without a script.

A POST must come from one of these pages: browsers say in ``Origin`` where a form was sent from, and the cookies are ``SameSite``. Cookies have the ``__Host-``
prefix: no other host, no other path, no clear text can set or read them (RFC 6265bis section 4.1.3).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

from attrs import frozen
from sqlalchemy import Connection

from kgate.api.application import Answer, Params, Routes
from kgate.api.attempts import Attempts
from kgate.api.caller import Callers
from kgate.api.html import page, part
from kgate.api.signing_in import ASK, NO_KEY, NO_KEY_HINT, Asker, Begun, Failed, SignIns, Wanted
from kgate.audit.record import timestamp
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.identity.credentials import Credentials, Rejected
from kgate.identity.jose import Flaw
from kgate.identity.openid import logout_url, read_query
from kgate.kube.client_kubeconfig import GateContext, StaticToken, cluster_url, render_kubeconfig
from kgate.model import Identity, Pairs
from kgate.net.database import StoreUnavailableError
from kgate.net.provider import SignInProvider, tokens_from_text
from kgate.store.codes import Code, deny_device, find_user_code
from kgate.store.sealing import digest
from kgate.store.sessions import Session, end_sessions, provider_tokens_of, session_of_cookie

SESSION_COOKIE, SIGNIN_COOKIE = "__Host-kgate", "__Host-kgate-signin"
SIGNED_OUT = "you signed out on the gate's page"
REFUSED = "the person refused the device on the gate's page"


@frozen
class SeenCluster:
    """A cluster that somebody may see."""

    name: str
    labels: Pairs
    hosts: tuple[str, ...]


@frozen
class Place:
    """What pages need of the configuration in force."""

    url: str
    clusters_of: Callable[[Identity], Sequence[SeenCluster]]
    certificate_authority: bytes | None = None
    """PEM of whoever signs the gate's certificate, for kubeconfigs; None where systems trust it."""


TokenOf = Callable[[Session, float], "str | None"]
"""A gate token for a session until an instant; None where there is no key yet."""


_NO_KEY = Failed(NO_KEY, NO_KEY_HINT, 503)
"""To send whoever is signed in to sign in again would not help."""


class Pages:
    """See the module."""

    def __init__(
        self,
        place: Callable[[], Place],
        signins: SignIns,
        callers: Callers,
        token_of: TokenOf,
        wall: Callable[[], float],
        guesses: Attempts,
        beginnings: Attempts,
    ) -> None:
        self._place, self._signins, self._callers, self._token_of, self._wall = place, signins, callers, token_of, wall
        self._guesses, self._beginnings = guesses, beginnings

    def routes(self) -> Routes:
        """All pages."""
        pages: Routes = {
            ("GET", "/"): self.home,
            ("GET", "/style.css"): self.style,
            ("GET", "/icon.svg"): self.icon,
            ("GET", "/login"): self.login,
            ("GET", "/login/callback"): self.callback,
            ("GET", "/kubeconfig"): self.kubeconfig,
            ("POST", "/logout"): self.logout,
            ("GET", "/device"): self.device,
            ("POST", "/device"): self.answer_device,
        }
        return {place: self._or_unavailable(answer) for place, answer in pages.items()}

    def _or_unavailable(self, answer: Answer) -> Answer:
        """The page, or one that says that the store does not answer."""

        async def page_or_not(request: LocalRequest, params: Params) -> LocalResponse:
            try:
                return await answer(request, params)
            except StoreUnavailableError as error:
                return self._unavailable(error)

        return page_or_not

    async def style(self, request: LocalRequest, params: Params) -> LocalResponse:
        """The style sheet."""
        return part("style.css")

    async def icon(self, request: LocalRequest, params: Params) -> LocalResponse:
        """What a browser puts on its tab."""
        return part("icon.svg")

    # --- signing in

    async def login(self, request: LocalRequest, params: Params) -> LocalResponse:
        """Begin: the link behind a button of the sign-in page, or of the choice that ``kgate login`` led to."""
        asked = read_query(request.query) or {}
        return await self.begin_or_choose(asked.get("issuer", ""), Wanted(), asker_of(request), request)

    async def begin_or_choose(self, issuer: str, wanted: Wanted, asker: Asker, request: LocalRequest) -> LocalResponse:
        """To the provider; where there are several and none was chosen, the choice."""
        providers = self._signins.providers()
        if not issuer and len(providers) == 1:
            issuer = providers[0].login.issuer
        if not issuer:
            return self._choose(providers, request)
        begun = await self._begun(issuer, wanted, asker)
        if isinstance(begun, Begun):
            return _to(begun)
        return self._told(begun, wanted.redirect_uri, wanted.client_state) if wanted.redirect_uri else self.failed(begun)

    async def _begun(self, issuer: str, wanted: Wanted, asker: Asker) -> Begun | Failed:
        if not self._beginnings.may(asker.address, self._wall()):
            return Failed("there were too many sign-ins from your address", "wait a minute, then sign in again", 429)
        try:
            return await self._signins.begin(issuer, wanted, asker)
        except StoreUnavailableError as error:
            return Failed(str(error), "try again in a while", 503)

    def _choose(self, providers: Sequence[SignInProvider], request: LocalRequest) -> LocalResponse:
        target = request.path if request.path == "/oauth2/authorize" else "/login"
        carried = (read_query(request.query) or {}) if target != "/login" else {}
        url = self._place().url  # whoever came by another name of the gate's has its cookie where the provider sends people back to
        choices = [(each.login.name, f"{url}{target}?{urlencode({**carried, 'issuer': each.login.issuer})}") for each in providers]
        return self._page("sign_in", heading="Sign in", choices=choices)

    async def callback(self, request: LocalRequest, params: Params) -> LocalResponse:
        """A browser came back from a provider."""
        answer = read_query(request.query)
        if answer is None:
            return self.failed(Failed("the identity provider's answer has a parameter twice, or is too long", "sign in again"))
        found = await self._signins.finish(answer, asker_of(request))
        if isinstance(found, Failed):
            to = found.redirect
            return self._told(found, to.redirect_uri, to.client_state) if to is not None else self.failed(found)
        if found.device:
            text = f"{found.person.user} is signed in there. You can close this window."
            return self._page("message", heading="The device is connected", text=text, bad=False, link="", link_text="")
        if found.code:
            return back(found.signin.redirect_uri, {"code": found.code}, found.signin.client_state, self._place().url)
        return LocalResponse(
            303, (("location", "/"), ("set-cookie", cookie(SESSION_COOKIE, found.cookie, int(self._signins.terms().session))))
        )

    def failed(self, failed: Failed, again: str = "/") -> LocalResponse:
        """What went wrong, and what to do; ``again`` is where to begin anew."""
        text = f"{failed.text[:1].upper()}{failed.text[1:]}. What to do: {failed.hint}."
        return self._page(
            "message", failed.status, heading="That did not work", text=text, bad=True, link=again, link_text="To the sign-in page"
        )

    def _told(self, failed: Failed, uri: str, state: str) -> LocalResponse:
        """The same at the terminal, where ``kgate login`` waits for it: its own page in the browser says it too."""
        asked = {"error": "access_denied", "error_description": f"{failed.text}; {failed.hint}"}
        return back(uri, asked, state, self._place().url)

    def _unavailable(self, error: StoreUnavailableError) -> LocalResponse:
        return self.failed(Failed(str(error), "try again in a while", 503))

    # --- signed in

    async def home(self, request: LocalRequest, params: Params) -> LocalResponse:
        """Who one is and what there is; the sign-in page for everybody else."""
        known = await self._known(request)
        if known is None:
            return self._choose(self._signins.providers(), request)
        if isinstance(known, Failed):
            return self.failed(known, "/login")
        session, identity = known
        place = self._place()
        return self._page(
            "home",
            user=identity.user,
            groups=identity.groups,
            issuer=identity.issuer,
            expires=timestamp(session.expires),
            expires_words=datetime.fromtimestamp(session.expires, UTC).strftime("%Y-%m-%d %H:%M UTC"),
            clusters=[(each.name, ", ".join(map("=".join, each.labels))) for each in place.clusters_of(identity)],
            url=place.url,
        )

    async def kubeconfig(self, request: LocalRequest, params: Params) -> LocalResponse:
        """A kubeconfig for every cluster that one may see, good until the session ends."""
        known = await self._known(request)
        if known is None:
            return LocalResponse(303, (("location", "/"),))
        if isinstance(known, Failed):
            return self.failed(known, "/login")
        session, identity = known
        place = self._place()
        token = self._token_of(session, session.expires)
        clusters = place.clusters_of(identity)
        if token is None:
            return self.failed(_NO_KEY)
        if not clusters:
            return self.failed(Failed("there is no cluster that you may see", "ask whoever runs this gate for access", 404))
        contexts = [GateContext(each.name, cluster_url(place.url, each.name, each.hosts), identity.user) for each in clusters]
        text = render_kubeconfig(contexts, {identity.user: StaticToken(token)}, place.certificate_authority)
        attachment = 'attachment; filename="kgate.kubeconfig"'
        return LocalResponse(200, (("content-type", "application/yaml"), ("content-disposition", attachment)), text.encode())

    async def logout(self, request: LocalRequest, params: Params) -> LocalResponse:
        """End the session, here and at the provider where it can be told."""
        if not self._own_form(request):
            return self._foreign()
        session = await self._session(request)
        gone = ("set-cookie", cookie(SESSION_COOKIE, "", 0))
        if session is None:
            return LocalResponse(303, (("location", "/"), gone))
        now = self._wall()

        def ended(connection: Connection) -> str:
            sealed = provider_tokens_of(connection, session.id)
            end_sessions(connection, [session.id], SIGNED_OUT, now)
            return sealed

        sealed = await self._signins.store.write(ended)
        await self._signins.recorder.logout(asker_of(request).address, session.person, session.id, SIGNED_OUT)
        onward = await self._provider_logout(session.person.issuer, sealed)
        return self._onward(onward, gone) if onward else LocalResponse(303, (("location", "/"), gone))

    async def _provider_logout(self, issuer: str, sealed: str) -> str:
        provider = next((each for each in self._signins.providers() if each.login.issuer == issuer), None)
        found = await provider.provider() if provider is not None else None
        if provider is None or found is None or isinstance(found, Flaw):
            return ""
        hint = tokens_from_text(self._signins.sealer.open(sealed) or "").id_token
        return logout_url(found, provider.login.client, hint, f"{self._place().url}/")

    # --- devices

    async def device(self, request: LocalRequest, params: Params) -> LocalResponse:
        """Ask for the code; with one, ask whether the device is one's own (RFC 8628 sections 3.3.1 and 5.4)."""
        asked = (read_query(request.query) or {}).get("user_code", "")
        if not asked:
            return self._page("device", problem="")
        code = await self._waiting(asked, asker_of(request).address)
        if isinstance(code, LocalResponse):
            return code
        providers = self._signins.providers()
        return self._page(
            "confirm",
            address=code.address,
            user_code=code.user_code,
            choices=[(each.login.name, each.login.issuer) for each in providers],
        )

    async def answer_device(self, request: LocalRequest, params: Params) -> LocalResponse:
        """The person says that the device is theirs, or not."""
        if not self._own_form(request):
            return self._foreign()
        form = read_query(request.body.decode("utf-8", "replace")) or {}
        asker = asker_of(request)
        code = await self._waiting(form.get("user_code", ""), asker.address)
        if isinstance(code, LocalResponse):
            return code
        user_code = code.user_code or ""
        if "refuse" in form:
            await self._signins.store.write(lambda connection: deny_device(connection, user_code, self._wall()))
            await self._signins.recorder.login(False, asker, None, "", REFUSED, "device")
            return self._page("message", heading="Refused", text="The device does not get your access.", bad=False, link="", link_text="")
        wanted = Wanted(user_code=user_code, clusters=code.clusters)
        answer = await self.begin_or_choose(form.get("issuer", ""), wanted, asker, request)
        headers = dict(answer.headers)
        return self._onward(headers["location"], ("set-cookie", headers["set-cookie"])) if answer.status == 303 else answer

    async def _waiting(self, typed: str, address: str) -> Code | LocalResponse:
        """The code that waits, or the page that asks again."""
        if not self._guesses.may(address, self._wall()):
            return self._page("device", 429, problem="There were too many wrong codes from your address: wait a minute.")
        user_code = normal_user_code(typed)
        code = await self._signins.store.read(lambda connection: find_user_code(connection, user_code, self._wall()))
        return (
            code if code is not None else self._page("device", 404, problem="No device waits with this code: see that it is the one shown.")
        )

    def _onward(self, location: str, *headers: tuple[str, str]) -> LocalResponse:
        """To a provider, as the answer to a form. A redirect would be held against the form's ``form-action``, wherever the provider sends it on to."""
        leave = ("refresh", f"0; url={location}")
        text = f"Next is {urlsplit(location).netloc}."
        return self._page("message", 200, *headers, leave, heading="One moment", text=text, bad=False, link=location, link_text="Go on")

    # --- who

    async def _session(self, request: LocalRequest) -> Session | None:
        held = cookies_of(request).get(SESSION_COOKIE, "")
        if not held:
            return None
        found = await self._signins.store.read(lambda connection: session_of_cookie(connection, digest(held)))
        return found if found is not None and found.ended is None and found.expires > self._wall() else None

    async def _known(self, request: LocalRequest) -> tuple[Session, Identity] | Failed | None:
        """The session of the browser's cookie and its identity, found out in the same way as for a request to a cluster; or why it is worth nothing, which
        to sign in again and again would not tell. None: nobody is signed in."""
        session = await self._session(request)
        if session is None:
            return None
        token = self._token_of(session, self._wall() + 60)
        if token is None:
            return _NO_KEY
        identity = await self._callers.identify(Credentials(token, None, request.credentials.address))
        return Failed(identity.text, identity.hint or ASK, 403) if isinstance(identity, Rejected) else (session, identity)

    def _own_form(self, request: LocalRequest) -> bool:
        return request.header("origin") == self._place().url

    def _foreign(self) -> LocalResponse:
        hint = f"open {self._place().url} and press the button there"
        return self.failed(Failed("the form was not sent from a page of this gate", hint, 403))

    def _page(self, template: str, status: int = 200, *headers: tuple[str, str], **values: object) -> LocalResponse:
        return page(template, status, *headers, host=urlsplit(self._place().url).netloc, **values)


def asker_of(request: LocalRequest) -> Asker:
    """Who asks."""
    return Asker(request.credentials.address, request.header("user-agent"), cookies_of(request).get(SIGNIN_COOKIE, ""))


def cookies_of(request: LocalRequest) -> dict[str, str]:
    """The cookies that came; of two with one name neither counts."""
    pairs = [
        part.strip().partition("=")[::2] for name, value in request.headers if name == "cookie" for part in value.split(";") if "=" in part
    ]
    times = Counter(name for name, _ in pairs)
    return {name: value for name, value in pairs if times[name] == 1}


def cookie(name: str, value: str, seconds: int) -> str:
    """A ``Set-Cookie`` value."""
    return f"{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}"


def normal_user_code(typed: str) -> str:
    """As it is stored, however it was typed."""
    letters = "".join(each for each in typed.upper() if each.isascii() and each.isalnum())[:8]
    return f"{letters[:4]}-{letters[4:]}"


def _to(begun: Begun) -> LocalResponse:
    return LocalResponse(303, (("location", begun.location), ("set-cookie", cookie(SIGNIN_COOKIE, begun.browser, 600))))


def back(uri: str, asked: dict[str, str], state: str, iss: str) -> LocalResponse:
    """To ``kgate login``, at its loopback address."""
    return LocalResponse(303, (("location", f"{uri}?{urlencode({**asked, 'state': state, 'iss': iss})}"),))
