"""Class 23 against a running gate: certificates that are wrong, that end while in use, and that somebody revoked meanwhile."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from authority import Authority, Leaf
from identity_gate import PODS, IdentityGate, identity_gate
from lab.waiting import eventually
from live_gate import TOKENS

pytestmark = pytest.mark.threat("23")
POLICY = {
    "rules": [
        {
            "name": "developers",
            "who": {"groups": ["developers"]},
            "clusters": {"names": ["*"]},
            "allow": [{"verbs": ["*"], "resources": ["*"]}],
        },
        {
            "name": "compliant-machines",
            "who": {"users": ["mallory", "device:*"]},
            "clusters": {"names": ["*"]},
            "allow": [{"verbs": ["*"], "resources": ["*"]}],
            "when": {"device": {"compliant": True}},
        },
    ]
}


class Scene:
    """The gate and its two authorities."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.leaves: dict[str, Leaf] = {}
        self.people, self.makers = Authority("people"), Authority("makers")
        (folder / "staff.crt").write_bytes(self.people.certificate)
        (folder / "makers.crt").write_bytes(self.makers.certificate)
        self.revoke()
        self.list_devices(laptop=True)

    def revoke(self, *names: str) -> None:
        leaves = [self.leaves[name] for name in names] if names else []
        new = self.folder / ".staff.crl"
        new.write_bytes(self.people.crl(*leaves))
        new.rename(self.folder / "staff.crl")

    def list_devices(self, *, laptop: bool) -> None:
        new = self.folder / ".devices.yaml"
        new.write_text(f"devices: [{{name: laptop, compliant: {str(laptop).lower()}}}]\n")
        new.rename(self.folder / "devices.yaml")

    def certificate(
        self, name: str, authority: Authority | None = None, *, client: bool = True, starts: float = 0, ends: float = 7
    ) -> tuple[Path, Path]:
        leaf = (authority or self.people).leaf(common_name=name, organizations=("developers",), client=client, starts=starts, ends=ends)
        self.leaves[name] = leaf
        return leaf.write(self.folder, name)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def gate(scene: Scene) -> Iterator[IdentityGate]:
    identity = {
        "tokens": {"file": "tokens.yaml"},
        "client_certificates": [{"authority": "staff.crt", "crl": ["staff.crl"]}],
        "devices": {"authority": "makers.crt", "file": "devices.yaml"},
    }
    with identity_gate(scene.folder, identity, POLICY) as running:
        yield running


def test_a_good_one(scene: Scene, gate: IdentityGate) -> None:
    who = gate.whoami(certificate=scene.certificate("dora"))
    assert (who["user"], who["groups"], who["issuer"]) == ("dora", ["developers"], "client-certificate")


def test_a_page_of_another_site_gets_nothing_by_what_the_browser_shows_with_its_request(scene: Scene, gate: IdentityGate) -> None:
    """A WebSocket from anywhere, which no CORS holds back. What carries a token chose to."""
    opening = f"GET {PODS}/web-0/exec?command=sh&stdout=1 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    opening += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n"
    before = len(gate.cluster.heads)
    for lines in (
        "Origin: https://elsewhere.example\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\nOrigin: null\r\n",
    ):
        with gate.connect(scene.certificate("gina")) as tls:
            tls.sendall(f"{opening}{lines}\r\n".encode())
            answer = tls.recv(4096).decode()
        assert answer.startswith("HTTP/1.1 403 ") and "a page of another site had your browser send this" in answer
    assert len(gate.cluster.heads) == before
    with gate.connect(scene.certificate("gina")) as tls:
        tls.sendall(f"GET {PODS} HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\n\r\n".encode())
        assert tls.recv(4096).startswith(b"HTTP/1.1 200 ")
    with gate.connect(scene.certificate("gina")) as tls:
        shown = f"Authorization: Bearer {TOKENS['alice']}"
        tls.sendall(f"GET {PODS} HTTP/1.1\r\nHost: localhost\r\nOrigin: https://elsewhere.example\r\n{shown}\r\n\r\n".encode())
        assert tls.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_a_proxied_page_does_not_get_into_the_origin_of_the_gate_s_own_pages(scene: Scene, gate: IdentityGate) -> None:
    """A pod's page there could fetch the kubeconfig of whoever looks at it. kubectl proxy has an origin of its own, and so has a cluster's host."""
    page = PODS.removesuffix("/pods") + "/services/web/proxy/"

    def opened(*lines: str) -> str:
        with gate.connect(scene.certificate("gina")) as tls:
            tls.sendall("\r\n".join([f"GET {page} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode())
            return tls.recv(4096).decode()

    navigates = "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"
    refused = opened(*navigates)
    assert refused.startswith("HTTP/1.1 403 ") and "would have this gate's own pages in its reach" in refused
    for let in ((*navigates, "X-Forwarded-For: 127.0.0.1"), ("Accept: */*",)):  # of kubectl proxy, and of a program: the policy's to say
        assert 'rule \\"developers\\"' in opened(*let)


def test_another_authority_of_the_same_name(scene: Scene, gate: IdentityGate) -> None:
    stranger = scene.certificate("stranger", Authority("people"))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        gate.ask(certificate=stranger)


@pytest.mark.parametrize("how", [{"client": False}, {"ends": 0}, {"starts": 2, "ends": 7}])
def test_a_wrong_use_or_time(scene: Scene, gate: IdentityGate, how: dict[str, object]) -> None:
    """TLS itself may end it; where it does not, the gate answers 401."""
    wrong = scene.certificate("wrong", **how)  # type: ignore[arg-type]
    try:
        assert gate.ask(certificate=wrong)[0] == 401
    except (ssl.SSLError, ConnectionError):
        pass


def test_revoked_while_in_use(scene: Scene, gate: IdentityGate) -> None:
    """The watch is cut and says why; a new connection is refused; there are no session tickets."""
    eve = scene.certificate("eve")
    with gate.watch(certificate=eve) as watch:
        assert watch.tls.session is None or not watch.tls.session.has_ticket
        scene.revoke("eve")
        began = time.monotonic()
        assert "the client certificate was revoked" in watch.end()
        assert time.monotonic() - began < 5
    status, message = gate.ask(certificate=eve)
    assert (status, "was revoked" in message) == (401, True)
    scene.revoke()


def test_a_resumed_session_brings_back_nothing_that_has_ended(scene: Scene, gate: IdentityGate) -> None:
    """TLS 1.2 resumes sessions and does not verify their certificates again; Python's ssl has no way to switch that off, so the gate looks on each use."""
    fred = scene.certificate("fred", ends=8 / 86400)
    context = gate.gate.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(*fred)

    def ask(session: ssl.SSLSession | None = None) -> tuple[bool, bytes, ssl.SSLSession | None]:
        raw = socket.create_connection(("127.0.0.1", gate.gate.port), 20)
        with context.wrap_socket(raw, server_hostname="localhost", session=session) as tls:
            tls.sendall(f"GET {PODS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            return bool(tls.session_reused), tls.recv(65536)[:12], tls.session

    resumed, status, session = ask()
    assert (resumed, status) == (False, b"HTTP/1.1 200")
    assert ask(session)[:2] == (True, b"HTTP/1.1 200")

    def is_refused() -> bool:
        """By the gate, or by TLS where it did verify again."""
        try:
            return ask(session)[1] == b"HTTP/1.1 401"
        except (ssl.SSLError, ConnectionError):
            return True

    eventually("it has expired", is_refused, every=0.2)


def test_expiry_while_in_use(scene: Scene, gate: IdentityGate) -> None:
    soon = scene.certificate("soon", ends=6 / 86400)
    with gate.watch(certificate=soon) as watch:
        began = time.monotonic()
        told = watch.end()
        assert "the client certificate has expired" in told
        assert time.monotonic() - began < 12


def test_a_device_that_is_out_of_compliance_while_in_use(scene: Scene, gate: IdentityGate) -> None:
    """mallory is allowed on a compliant machine only: the machine's certificate beside mallory's token."""
    laptop = scene.certificate("laptop", scene.makers)
    assert gate.ask(TOKENS["mallory"])[0] == 403
    with gate.watch(TOKENS["mallory"], laptop) as watch, gate.watch(certificate=laptop) as alone:
        assert gate.whoami(TOKENS["mallory"], laptop)["device"] == "laptop"
        assert gate.whoami(certificate=laptop)["user"] == "device:laptop"
        scene.list_devices(laptop=False)
        for each in (watch, alone):
            assert "device laptop is not compliant" in each.end()
    status, message = gate.ask(TOKENS["mallory"], PODS, laptop)
    assert (status, "device laptop is not compliant" in message) == (403, True)
