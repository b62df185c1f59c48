"""``kgate clusters check`` over real TLS: demo clusters as they should be and not, ports where nobody answers, a scripted API server."""

from __future__ import annotations

import base64
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from authority import Authority
from click.testing import CliRunner, Result
from demo_process import demo_cluster
from forward_proxies import ForwardProxy
from lab.waiting import eventually
from recording_cluster import Connection, RecordingCluster
from small_configuration import small_configuration

from kgate.cli import main


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A demo cluster's kubeconfig; its credential can only impersonate."""
    with demo_cluster("good", tmp_path_factory.mktemp("good")) as kubeconfig:
        yield kubeconfig


@pytest.fixture(scope="module")
def generous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One whose credential can do everything."""
    with demo_cluster("generous", tmp_path_factory.mktemp("generous"), "--generous") as kubeconfig:
        yield kubeconfig


class Operator:
    """Somebody on the gate's machine, who writes ``clusters`` and runs the command."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, small_configuration(folder)

    def check(self, clusters: dict[str, Any], *arguments: str) -> Result:
        document = yaml.safe_load(self.config.read_text()) | {"clusters": clusters}
        self.config.write_text(yaml.safe_dump(document))
        return CliRunner().invoke(main, ["clusters", "check", "--config", str(self.config), *arguments])

    def found(self, cluster: dict[str, Any], *arguments: str) -> tuple[int, dict[str, Any]]:
        """The exit code, and what is told of one cluster."""
        result = self.check({"one": cluster}, *arguments, "-o", "json")
        (told,) = json.loads(result.stdout)
        return result.exit_code, told

    def changed(self, kubeconfig: Path, *, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> Path:
        """A kubeconfig that says something else in one place."""
        document = yaml.safe_load(kubeconfig.read_text())
        document["clusters"][0]["cluster"].update(cluster or {})
        if user is not None:
            document["users"][0]["user"] = user
        path = self.folder / "changed.kubeconfig"
        path.write_text(yaml.safe_dump(document))
        return path


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


def texts(told: dict[str, Any], level: str = "wrong") -> list[str]:
    return [f"{each['text']}; {each['hint']}" for each in told["findings"] if each["level"] == level]


# --- as it should be


def test_a_cluster_that_is_well(operator: Operator, demo: Path) -> None:
    code, told = operator.found({"kubeconfig": str(demo)})
    assert (code, told["state"], told["findings"]) == (0, "well", []), told
    assert told["protocol"] == "h2" and told["version"].startswith("v1.") and told["user"]["name"] == "kgate-gate"
    assert told["addresses"] == ["127.0.0.1"] and told["peer"] == f"127.0.0.1:{urlsplit(told['server']).port}"
    assert told["certificate"]["issuer"] == "CN=good demo authority" and told["certificate"]["names"] == ["localhost", "127.0.0.1", "::1"]
    assert told["impersonates"] == dict.fromkeys(("users", "groups", "uids", "userextras"), "all")


def test_several_at_once_as_a_table(operator: Operator, demo: Path) -> None:
    result = operator.check({"one": {"kubeconfig": str(demo)}, "two": {"server": "https://127.0.0.1:1", "token_file": "token"}})
    heading, one, two, wrong = result.stdout.splitlines()
    assert urlsplit(yaml.safe_load(demo.read_text())["clusters"][0]["cluster"]["server"]).netloc in one
    assert heading.split("  ")[0] == "CLUSTER" and one.split()[:2] == ["one", "well"] and two.split() == ["two", "unreachable"]
    assert wrong.startswith("two: wrong: https://127.0.0.1:1 (127.0.0.1) cannot be reached: connection refused; nothing listens there: ")
    assert result.exit_code == 1


def test_only_those_that_are_named(operator: Operator, demo: Path) -> None:
    clusters = {"one": {"kubeconfig": str(demo)}, "two": {"server": "https://127.0.0.1:1", "token_file": "token"}}
    assert operator.check(clusters, "one").exit_code == 0
    result = operator.check(clusters, "tow")
    assert (result.exit_code, result.stderr) == (2, 'kgate: there is no cluster "tow" in the configuration; did you mean "two"?\n')


def test_by_way_of_a_forward_proxy(operator: Operator, demo: Path) -> None:
    proxy = ForwardProxy()
    try:
        kubeconfig = operator.changed(demo, cluster={"proxy-url": f"http://gate:secret@127.0.0.1:{proxy.port}"})
        code, told = operator.found({"kubeconfig": str(kubeconfig)})
        assert (code, told["state"], told["proxy"]) == (0, "well", f"http://127.0.0.1:{proxy.port}")
        assert len(proxy.asked) == 1, "all questions go over one connection"
        proxy.answer = b"HTTP/1.1 403 Forbidden\r\n\r\n"
        code, told = operator.found({"kubeconfig": str(kubeconfig)})
        (wrong,) = texts(told)
        assert code == 3 and "through the proxy http://127.0.0.1" in wrong and "403" in wrong and "secret" not in json.dumps(told)
    finally:
        proxy.stop()


# --- not as it should be


def test_a_credential_that_can_do_more_is_warned_of_by_name(operator: Operator, generous: Path) -> None:
    code, told = operator.found({"kubeconfig": str(generous)})
    assert (code, told["state"], texts(told)) == (1, "warned", [])
    (warning,) = texts(told, "warning")
    assert warning.startswith("the gate's credential can also get, list secrets; create pods")
    assert told["also"][0] == "get, list secrets"


def test_a_wrong_authority(operator: Operator, demo: Path) -> None:
    other = base64.b64encode(Authority("other").certificate).decode()
    code, told = operator.found({"kubeconfig": str(operator.changed(demo, cluster={"certificate-authority-data": other}))})
    (wrong,) = texts(told)
    assert code == 3 and wrong.startswith("its certificate is not trusted: ")
    assert "it is signed by CN=good demo authority: put the certificate of that authority into certificate_authority" in wrong


def test_a_certificate_for_somebody_else(operator: Operator, demo: Path) -> None:
    code, told = operator.found({"kubeconfig": str(operator.changed(demo, cluster={"tls-server-name": "kube.example.com"}))})
    (wrong,) = texts(told)
    assert code == 3 and "it is for localhost, 127.0.0.1, ::1, not for kube.example.com: name one of those as tls_server_name" in wrong


def test_a_credential_that_is_refused(operator: Operator, demo: Path) -> None:
    code, told = operator.found({"kubeconfig": str(operator.changed(demo, user={"token": "nonsense"}))})
    assert (code, told["state"]) == (1, "wrong")
    assert texts(told) == [
        "it refuses the gate's credential (a token); give the gate a new token (conf/kubernetes/impersonator.yaml says how)"
    ]


def test_a_token_that_says_when_it_ends(operator: Operator, demo: Path) -> None:
    """Only the cluster can tell whether it is true; where it is refused, that is why."""
    claims = base64.urlsafe_b64encode(json.dumps({"iat": 0, "exp": 1}).encode()).rstrip(b"=").decode()
    _, told = operator.found({"kubeconfig": str(operator.changed(demo, user={"token": f"e30.{claims}.c2ln"}))})
    assert told["credential"]["ends"] == "1970-01-01 00:00 UTC"
    assert [text for text in texts(told) if "ended on 1970-01-01" in text]


def test_a_token_file_tells_when_its_token_ends_though_nobody_is_there(operator: Operator) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"iat": 0, "exp": 1}).encode()).rstrip(b"=").decode()
    (operator.folder / "token").write_text(f"e30.{claims}.c2ln")
    code, told = operator.found({"server": "https://nowhere.invalid:6443", "token_file": "token"})
    assert code == 3 and told["credential"]["ends"] == "1970-01-01 00:00 UTC"


def test_a_plugin_that_gives_nothing(operator: Operator, demo: Path) -> None:
    plugin = operator.folder / "plugin"
    plugin.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('log in first')\n")
    plugin.chmod(0o700)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}}
    code, told = operator.found({"kubeconfig": str(operator.changed(demo, user=user))})
    (wrong,) = texts(told)
    assert code == 3 and "log in first" in wrong and "run the plugin by hand" in wrong


def test_a_plugin_s_token(operator: Operator, demo: Path) -> None:
    token = yaml.safe_load(demo.read_text())["users"][0]["user"]["token"]
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3000))
    given = {
        "kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1",
        "status": {"token": token, "expirationTimestamp": soon},
    }
    plugin = operator.folder / "plugin"
    plugin.write_text(f"#!{sys.executable}\nprint({json.dumps(json.dumps(given))})\n")
    plugin.chmod(0o700)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}}
    code, told = operator.found({"kubeconfig": str(operator.changed(demo, user=user))})
    assert (code, told["findings"]) == (0, []) and told["credential"] == {
        "from": "exec plugin",
        "ends": soon[:16].replace("T", " ") + " UTC",
    }


def test_a_plugin_that_hangs_is_ended_with_the_command(operator: Operator, demo: Path) -> None:
    plugin, number = operator.folder / "plugin", operator.folder / "number"
    plugin.write_text(f"#!/bin/sh\necho $$ >'{number}'\nexec sleep 60\n")
    plugin.chmod(0o700)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}}
    code, told = operator.found({"kubeconfig": str(operator.changed(demo, user=user))}, "--timeout", "3")
    (wrong,) = texts(told)
    assert code == 3 and f"there is no credential for it: the exec plugin {plugin} was not done after 3 s; run the plugin by hand" in wrong
    line = Path(f"/proc/{number.read_text().strip()}/cmdline")
    eventually("the plugin is gone", lambda: not line.exists() or not line.read_bytes())  # here nobody may be left to bury it


def test_a_silent_port_is_given_up_in_time(operator: Operator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        code, told = operator.found({"server": f"https://127.0.0.1:{silent.getsockname()[1]}", "token_file": "token"}, "--timeout", "0.5")
        (wrong,) = texts(told)
        assert code == 3 and "within 0.5 s" in wrong and "firewalls" in wrong
        assert time.monotonic() - begun < 5


def test_a_name_that_has_no_address(operator: Operator) -> None:
    code, told = operator.found({"server": "https://nowhere.invalid:6443", "token_file": "token"})
    (wrong,) = texts(told)
    assert code == 3 and wrong.startswith("the name in https://nowhere.invalid:6443 has no address")


def test_what_does_not_speak_tls(operator: Operator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        clients: list[socket.socket] = []

        def refuse() -> None:
            clients.append(plain.accept()[0])
            clients[0].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        answering = threading.Thread(target=refuse)
        answering.start()
        _, told = operator.found({"server": f"https://127.0.0.1:{plain.getsockname()[1]}", "token_file": "token"})
        answering.join()
        clients[0].close()
    assert "check the port of its server" in texts(told)[0]


# --- a scripted API server, over HTTP/1.1


class Scripted:
    """Answers by path; everything may be changed."""

    def __init__(self, operator: Operator, ends: float = 90) -> None:
        authority = Authority("scripted")
        self.cluster = RecordingCluster(operator.folder, authority, leaf=authority.leaf("127.0.0.1", ends=ends))
        self.cluster.answer = self._answer
        self.access = self.cluster.access(operator.folder)
        self.ahead, self.strips, self.stops_at = 0.0, False, ""
        self.identities: list[bytes] = []

    def _answer(self, connection: Connection, head: bytes) -> None:
        lines = head.split(b"\r\n")
        target = lines[0].split(b" ")[1].decode()
        fields = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines[1:])}
        body = json.loads(connection.body(int(fields.get(b"content-length", b"0"))) or b"{}")
        if self.stops_at and target.endswith(self.stops_at):
            return
        self.identities.append(fields.get(b"impersonate-user", b""))
        told = json.dumps(self._told(target, body, fields)).encode()
        date = formatdate(time.time() + self.ahead, usegmt=True).encode()
        connection.send(b"HTTP/1.1 201 Created\r\nDate: %s\r\nContent-Length: %d\r\n\r\n%s" % (date, len(told), told))

    def _told(self, target: str, body: Any, fields: dict[bytes, bytes]) -> dict[str, Any]:
        if target == "/version":
            return {"gitVersion": "v1.30.0"}
        if target.endswith("selfsubjectreviews"):
            user = "gate" if self.strips else fields.get(b"impersonate-user", b"gate").decode()
            extra = {"kgate.dev/clusters-check": ["kgate-clusters-check"]}
            return {"status": {"userInfo": {"username": user, "uid": user, "groups": [user], "extra": extra}}}
        if target.endswith("selfsubjectrulesreviews"):
            return {"status": {"resourceRules": [], "nonResourceRules": [], "incomplete": False}}
        return {"status": {"allowed": body["spec"]["resourceAttributes"]["verb"] == "impersonate"}}


def test_an_expired_certificate(operator: Operator) -> None:
    scripted = Scripted(operator, ends=-0.5)
    code, told = operator.found(scripted.access)
    (wrong,) = texts(told)
    assert code == 3 and wrong.startswith("its certificate is not trusted: certificate has expired; it ended on ") and "renew" in wrong
    assert scripted.cluster.heads == [], "nothing is sent to whom TLS does not trust, not even to look closer"


def test_a_certificate_that_ends_soon_an_old_protocol_and_a_clock_that_is_off(operator: Operator) -> None:
    scripted = Scripted(operator, ends=5)
    scripted.ahead = 3600
    code, told = operator.found(scripted.access)
    assert (code, told["protocol"]) == (1, "http/1.1") and len(scripted.cluster.connections) == 1
    soon, clock = texts(told, "warning")
    assert soon.startswith("the API server's certificate ends ") and "in 4 days" in soon
    assert clock.startswith("its clock is 3") and "ahead of this machine's" in clock and 3590 < told["clock_seconds"] < 3610
    assert texts(told) == [] and texts(told, "note")[0].startswith("it speaks no HTTP/2")


def test_impersonation_that_somebody_in_between_takes_away(operator: Operator) -> None:
    scripted = Scripted(operator)
    scripted.strips = True
    code, told = operator.found(scripted.access)
    (wrong,) = texts(told)
    assert code == 1 and wrong.startswith("impersonation does not work: a question as kgate-clusters-check came back as gate, its user, ")
    assert set(scripted.identities) == {b"", b"kgate-clusters-check"}


def test_one_that_stops_answering_in_the_middle(operator: Operator) -> None:
    scripted = Scripted(operator)
    scripted.stops_at = "selfsubjectrulesreviews"
    code, told = operator.found(scripted.access, "--timeout", "4")
    assert code == 1 and told["impersonates"]["users"] == "all", "what was seen by then is told"
    assert texts(told)[0].startswith("it was not done answering after 4 s")


# --- the command line


def test_the_listing_for_users_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGATE_HOME", str(tmp_path))
    for arguments in (["clusters"], ["clusters", "-o", "json"], ["clusters", "--gate", "https://kube.example.com:1"]):
        result = CliRunner().invoke(main, arguments)
        assert (result.exit_code, result.stdout) == (1, "") and "kgate login" in result.stderr, arguments


def test_an_option_in_the_wrong_place(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["clusters", "-o", "json", "check"])
    assert (result.exit_code, result.stderr) == (2, "kgate: options of kgate clusters check stand behind it: kgate clusters check --help\n")


def test_without_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["clusters", "check"])
    said = "kgate: which clusters? There is no kgate.yaml here; name the gate's configuration with --config\n"
    assert (result.exit_code, result.stderr) == (2, said)


@pytest.mark.threat("27")
def test_threat_27_nothing_of_a_cluster_s_words_reaches_the_terminal_but_characters(operator: Operator) -> None:
    scripted = Scripted(operator)
    told = scripted._told
    scripted._told = lambda *asked: {"gitVersion": "v1\x1b]52;c;aGk=\x07"} if asked[0] == "/version" else told(*asked)  # type: ignore[method-assign]
    result = operator.check({"one": scripted.access})
    assert "\x1b" not in result.output and "\x07" not in result.output
