"""Somebody who signs in: a browser without a screen (standard library), the demo's company with its sign-in page, and the ``kgate`` command."""

from __future__ import annotations

import html
import http.cookiejar
import os
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from attrs import define, field, frozen
from authority import Authority
from identity_gate import IdentityGate, identity_gate
from ports import free_port

PEOPLE = {"alice": ["developers"], "bob": ["sre"], "mallory": []}
KEY = "VGhpcyBpcyBub3QgYSBzZWNyZXQsIG9ubHkgYSB0ZXM="


@frozen
class Shown:
    """What a browser shows in the end."""

    status: int
    url: str
    text: str

    @property
    def words(self) -> str:
        """Without the markup."""
        return html.unescape(" ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", self.text, flags=re.DOTALL).split()))

    def fields(self) -> dict[str, str]:
        """The hidden fields of its first form."""
        found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', self.text.partition("</form>")[0])
        return {html.unescape(name): html.unescape(value) for name, value in found}


class Browser:
    """Follows redirects and keeps cookies, like any browser; trusts everybody's certificate, unlike any. ``visited`` is every address it was sent to."""

    def __init__(self, user_agent: str = "Mozilla/5.0 (test)") -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.cookies = http.cookiejar.CookieJar()
        self.visited: list[str] = []
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), urllib.request.HTTPCookieProcessor(self.cookies), _Noting(self.visited)
        )
        self._opener.addheaders = [("User-Agent", user_agent)]

    def open(self, url: str, form: Mapping[str, str] | None = None, origin: str | None = "own") -> Shown:
        """A link, or a form sent from a page at ``origin`` ("own": of the same host)."""
        request = urllib.request.Request(url, urllib.parse.urlencode(form).encode() if form is not None else None)
        parts = urllib.parse.urlsplit(url)
        if form is not None and origin is not None:
            request.add_header("Origin", f"{parts.scheme}://{parts.netloc}" if origin == "own" else origin)
        self.visited.append(url)
        try:
            with self._opener.open(request, timeout=60) as answer:
                shown, onward = Shown(answer.status, answer.geturl(), answer.read().decode()), answer.headers.get("refresh", "")
            return self.open(onward.partition("url=")[2]) if onward else shown
        except urllib.error.HTTPError as error:
            return Shown(error.code, error.geturl(), error.read().decode())


class _Noting(urllib.request.HTTPRedirectHandler):
    def __init__(self, visited: list[str]) -> None:
        self._visited = visited

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        self._visited.append(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@define
class Company:
    """The demo's sign-in page."""

    folder: Path
    url: str
    authority: Authority
    _process: subprocess.Popen[bytes] = field(repr=False)

    def issuer(self, **login: Any) -> dict[str, Any]:
        """An entry of ``identity.oidc``."""
        return {
            "issuer": {"url": self.url, "audiences": ["kgate"], "certificateAuthority": self.authority.certificate.decode()},
            "claimMappings": {"username": {"claim": "sub", "prefix": ""}, "groups": {"claim": "groups", "prefix": ""}},
            "login": {"client_id": "kgate", "client_secret_file": str(self.folder / "oidc-secret"), "name": "the company", **login},
        }

    def has(self, people: Mapping[str, list[str]]) -> None:
        """These people and no others from now on."""
        new = self.folder / "people.new"
        new.write_text(yaml.safe_dump(dict(people)))
        new.rename(self.folder / "people.yaml")

    def pick(self, browser: Browser, shown: Shown, person: str) -> Shown:
        """Somebody picks who they are on its page."""
        assert "Who are you?" in shown.words, shown.words
        return browser.open(urllib.parse.urljoin(shown.url, "/authorize"), {**shown.fields(), "person": person})

    def stop(self) -> None:
        """It is out of reach."""
        self._process.terminate()
        self._process.wait(10)


@contextmanager
def company(folder: Path, gate_port: int) -> Iterator[Company]:
    """Run it for the gate on ``gate_port``."""
    authority = Authority("the company")
    authority.leaf("127.0.0.1").write(folder, "idp")
    (folder / "oidc-secret").write_text("the-gates-secret-there")
    (folder / "people.yaml").write_text(yaml.safe_dump(PEOPLE))
    command = [sys.executable, "-m", "kgate.demo.sign_in", "--directory", str(folder)]
    with (folder / "company.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--redirect-uri", f"https://127.0.0.1:{gate_port}/login/callback"], stdout=subprocess.PIPE, stderr=log
        )
    assert process.stdout is not None
    line = process.stdout.readline().split()
    assert line, (folder / "company.log").read_text()
    running = Company(folder, f"https://127.0.0.1:{int(line[1])}", authority, process)
    try:
        yield running
    finally:
        if process.poll() is None:
            running.stop()
        process.stdout.close()


@define
class Machine:
    """Somebody's machine: a home folder, and the ``kgate`` command there."""

    home: Path
    gate: IdentityGate

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.gate.gate.port}"

    @property
    def environment(self) -> dict[str, str]:
        hidden = ("KUBE", "KGATE_", "PYTEST", "XDG_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
        return {**kept, "PATH": path, "HOME": str(self.home), "KGATE_HOME": str(self.home / "kgate"), "BROWSER": "true"}

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        command = [str(Path(sys.executable).with_name("kgate")), *arguments]
        pipe = subprocess.PIPE
        environment = {**self.environment, **more.pop("env", {})}
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, env=environment, **more)

    def run(self, *arguments: str, **more: Any) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=90)
        return process.returncode, out, err

    def begin_login(self, *arguments: str) -> tuple[subprocess.Popen[str], str]:
        """``kgate login`` waits; the link that it shows."""
        authority = self.home / "gate-ca.crt"
        authority.write_bytes(self.gate.gate.authority.certificate)
        process = self.start("login", self.url, "--certificate-authority", str(authority), "--no-browser", *arguments)
        assert process.stderr is not None
        said = ""
        while not said.startswith("https://"):
            said = process.stderr.readline()
            assert said or process.poll() is None, process.communicate()
        return process, said.strip()

    def login(self, sign_in: Callable[[Browser, Shown], Shown], *arguments: str) -> tuple[int, str, str]:
        """All of it: ``sign_in`` is what the person does on the provider's page."""
        process, link = self.begin_login(*arguments)
        browser = Browser()
        sign_in(browser, browser.open(link))
        out, err = process.communicate(timeout=90)
        return process.returncode, out, err

    def kept(self) -> Path:
        """The file with the sign-in."""
        return self.home / "kgate" / f"127.0.0.1_{self.gate.gate.port}.json"


@define
class SignInGate:
    """A gate whose people sign in, and their machines."""

    gate: IdentityGate
    folder: Path
    _machines: int = field(init=False, default=0)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.gate.gate.port}"

    def machine(self) -> Machine:
        """A fresh one."""
        self._machines += 1
        home = self.folder / f"home-{self._machines}"
        home.mkdir()
        return Machine(home, self.gate)


@define
class Scene(SignInGate):
    """Together with the company that they are of."""

    company: Company

    def signed_in(self, person: str, *arguments: str) -> Machine:
        """A machine on which somebody is signed in."""
        machine = self.machine()
        code, _, err = machine.login(lambda browser, shown: self.company.pick(browser, shown, person), *arguments)
        assert code == 0, err
        return machine

    def browser_of(self, person: str) -> tuple[Browser, Shown]:
        """A browser in which somebody is signed in on the gate's page, which it shows."""
        browser = Browser()
        return browser, self.company.pick(browser, browser.open(f"{self.url}/login"), person)

    def records(self, event: str) -> list[dict[str, Any]]:
        """Audit records of one kind."""
        return [record for record in self.gate.gate.records() if record["event"] == event]

    def until_recorded(self, event: str, seconds: float = 60.0, **fields: Any) -> dict[str, Any]:
        """The first record that has these fields, once it is there."""
        deadline = time.monotonic() + seconds
        while True:
            found = next((each for each in self.records(event) if fields.items() <= each.items()), None)
            if found is not None:
                return found
            assert time.monotonic() < deadline, self.records(event)
            time.sleep(0.05)


def reserved_port() -> tuple[int, socket.socket]:
    """A port for a gate that starts later; whoever else asks for a free one meanwhile does not get it. Close the socket just before. Nor does a
    connection of somebody's take it between that and the gate's start (see ``ports``)."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", free_port()))
    return int(held.getsockname()[1]), held


@contextmanager
def scene(
    folder: Path, sign_in: Mapping[str, Any] | None = None, login: Mapping[str, Any] | None = None, **settings: Any
) -> Iterator[Scene]:
    """Run all of it. ``sign_in`` is the gate's section, ``login`` that of the issuer."""
    port, reservation = reserved_port()
    with reservation, company(folder, port) as running:
        reservation.close()
        (folder / "gate").mkdir()
        (folder / "gate" / "secrets.key").write_text(KEY)
        more = {"secrets": {"key_file": "secrets.key"}, **({"sign_in": dict(sign_in)} if sign_in else {}), **settings}
        with identity_gate(folder / "gate", {"oidc": [running.issuer(**(login or {}))]}, port=port, **more) as gate:
            yield Scene(gate, folder, running)
