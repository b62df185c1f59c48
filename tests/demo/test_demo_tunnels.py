"""exec, attach and port-forward from the client's side: our own WebSocket and SPDY endpoints speak to the demo cluster's tunnels in memory."""

from __future__ import annotations

import base64
import hashlib

import orjson
import pytest
from twisted.internet.task import Clock

from kgate.demo.answers import Reply, Switch
from kgate.demo.api import Api
from kgate.demo.requests import Request, read_target
from kgate.demo.world import World
from kgate.wire.spdy_session import Opened, Received, Replied, Session
from kgate.wire.websocket_endpoint import Assembler, Closed, Connection, MessageData

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
POD = "/api/v1/namespaces/default/pods/p"
V5, V4, B64 = "v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"
FORWARD = "SPDY/3.1+portforward.k8s.io"


class Link:
    """The far end of a tunnel's link: what the client gets, and whether its reading is behind."""

    def __init__(self, client):
        self.client, self.congested, self.paused, self.closed = client, False, False, False

    def write(self, data):
        self.client(data)

    def pause(self):
        self.paused = True

    def resume(self):
        self.paused = False

    def close(self):
        self.closed = True


class Cluster:
    def __init__(self, *command, **container):
        self.clock = Clock()
        self.world = World("dev", "token", self.clock, self.clock.seconds)
        self.api = Api(self.world)
        self.wait(1)
        container = {"name": "app", "image": "busybox"} | container | ({"command": list(command)} if command else {})
        pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": {"containers": [container], "restartPolicy": "Never"}}
        self.ask("POST", "/api/v1/namespaces/default/pods", body=orjson.dumps(pod))
        self.wait(1)

    def wait(self, seconds):
        for _ in range(int(seconds * 20)):
            self.clock.advance(0.05)

    def ask(self, method, target, *headers, upgrade="", body=b""):
        path, query = read_target(target)
        named = [("authorization", "Bearer token"), ("impersonate-user", "alice"), *headers]
        return self.api.answer(Request(method, path, query, named, body, upgrade))

    def socket(self, target, *offered):
        headers = [("sec-websocket-version", "13"), ("sec-websocket-key", KEY), *[("sec-websocket-protocol", name) for name in offered]]
        return self.ask("GET", target, *headers, upgrade="websocket")

    def spdy(self, target, *offered):
        return self.ask("POST", target, *[("x-stream-protocol-version", name) for name in offered], upgrade="spdy/3.1")

    @property
    def container(self):
        return self.world.kubelet.container("default", "p", "app")


@pytest.fixture
def dev():
    return Cluster()


class SocketClient:
    """A WebSocket client. ``said`` collects what came on each channel."""

    def __init__(self, answer):
        assert isinstance(answer, Switch), answer
        self.headers = dict(answer.headers)
        self.socket = Connection(lambda: b"abcd")
        self.tunnel, self.link = answer.tunnel(), Link(self.got)
        self.said, self.closed, self.whole, self.raw = {}, None, Assembler(), []
        self.tunnel.opened(self.link)

    def got(self, data):
        for event in self.socket.receive(data):
            if isinstance(event, MessageData):
                message = self.whole.add(event)
                if message:
                    self.raw.append(message)
                    self.said[message[0]] = self.said.get(message[0], b"") + message[1:]
            elif isinstance(event, Closed):
                self.closed = event.code

    def say(self, channel, data):
        self.send(bytes([channel]) + data)

    def send(self, message, *, text=False):
        self.socket.send_message(message, text=text)
        self.tunnel.received(self.socket.data_to_send())

    @property
    def status(self):
        return orjson.loads(self.said[3])


class SpdyClient:
    """A SPDY client. ``said`` collects what came on each stream, ``ended`` which of them are over."""

    def __init__(self, answer):
        assert isinstance(answer, Switch), answer
        self.headers = dict(answer.headers)
        self.session = Session(client=True)
        self.tunnel, self.link = answer.tunnel(), Link(self.got)
        self.said, self.ended, self.replied = {}, set(), set()
        self.tunnel.opened(self.link)

    def got(self, data):
        for event in self.session.receive(data):
            assert not isinstance(event, Opened)
            if isinstance(event, Replied):
                self.replied.add(event.stream)
            elif isinstance(event, Received):
                self.said[event.stream] = self.said.get(event.stream, b"") + event.data
                self.ended |= {event.stream} if event.ended else set()

    def open(self, *, fin=False, **headers):
        stream = self.session.open([(name.encode(), value.encode()) for name, value in headers.items()], fin=fin)
        self.flush()
        return stream

    def say(self, stream, data, *, fin=False):
        self.session.send(stream, data, fin=fin)
        self.flush()

    def flush(self):
        self.tunnel.received(self.session.data_to_send())


def exec_path(*command, query="stdout=true&stderr=true"):
    words = [word.replace(" ", "%20").replace(";", "%3B").replace("&", "%26") for word in command]
    return f"{POD}/exec?" + "&".join([*[f"command={word}" for word in words], query])


# --- exec over WebSocket


def test_output_errors_and_the_exit_code_have_their_channels(dev):
    client = SocketClient(dev.socket(exec_path("sh", "-c", "echo out; ls /nope; exit 3"), V5))
    assert client.headers["Sec-WebSocket-Protocol"] == V5 and client.headers["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert client.said[1] == b"out\n" and b"No such file" in client.said[2]
    assert client.status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    assert client.closed == 1000 and client.link.closed


def test_success_is_told(dev):
    assert SocketClient(dev.socket(exec_path("true"), V4)).status == {"metadata": {}, "status": "Success"}


def test_a_command_that_there_is_not(dev):
    client = SocketClient(dev.socket(exec_path("nosuch"), V5))
    assert client.status["reason"] == "InternalError" and '"nosuch": executable file not found' in client.status["message"]


def test_stdin_ends_by_a_half_close_in_v5(dev):
    client = SocketClient(dev.socket(exec_path("wc", "-c", query="stdin=true&stdout=true"), V5))
    client.say(0, b"a" * 100_000)
    client.send(b"")
    client.send(b"\xff\x00")
    assert client.said[1] == b"100000\n" and client.status["status"] == "Success"


def test_text_frames_are_input_too(dev):
    client = SocketClient(dev.socket(exec_path("cat", query="stdin=true&stdout=true"), V5))
    client.send(b"\x00hello", text=True)
    assert client.said[1] == b"hello"


def test_the_old_base64_form(dev):
    client = SocketClient(dev.socket(exec_path("cat", query="stdin=true&stdout=true"), B64))
    client.send(b"0" + base64.b64encode(b"\xff\x00"), text=True)
    assert client.raw[-1] == b"1" + base64.b64encode(b"\xff\x00")


def test_a_terminal_echoes_and_knows_its_size(dev):
    client = SocketClient(dev.socket(exec_path("sh", query="stdin=true&stdout=true&tty=true"), V5))
    client.say(4, b'{"Width":100,"Height":40}\n')
    client.say(0, b"stty size\r")
    assert client.said[1] == b"/ # stty size\r\n40 100\r\n/ # "
    client.say(0, b"exit 7\r")
    assert client.status["details"]["causes"][0]["message"] == "7"


def test_a_client_that_does_not_read_stops_the_program(dev):
    client = SocketClient(dev.socket(exec_path("sh", "-c", "sleep 1; seq 20000; sleep 1000"), V5))
    client.link.congested = True
    dev.wait(2)
    assert client.said[1] == b""
    client.link.congested = False
    client.tunnel.drained()
    dev.wait(1)
    assert client.said[1].endswith(b"\n20000\n")
    client.tunnel.lost()


def test_a_program_that_does_not_read_stops_the_client(dev):
    client = SocketClient(dev.socket(exec_path("sh", "-c", "sleep 1; cat >/dev/null", query="stdin=true&stdout=true"), V5))
    for _ in range(8):
        client.say(0, bytes(64 * 1024))
    assert client.link.paused
    dev.wait(1.5)
    assert not client.link.paused


def test_a_program_ends_with_its_client(dev):
    client = SocketClient(dev.socket(exec_path("sh", "-c", "sleep 2; touch /tmp/late"), V5))
    client.tunnel.lost()
    dev.wait(3)
    assert dev.container.machine.files.find("/tmp/late") is None


def test_a_program_ends_with_its_pod(dev):
    client = SocketClient(dev.socket(exec_path("sleep", "1000"), V5))
    dev.ask("DELETE", POD)
    dev.wait(1)
    assert client.status["details"]["causes"][0]["message"] == "137"
    assert dev.ask("GET", POD).status == 404


def test_stopping_the_cluster_ends_what_runs_in_it(dev):
    client = SocketClient(dev.socket(exec_path("sleep", "1000"), V5))
    dev.world.stop()
    assert client.link.closed


@pytest.mark.parametrize(
    ("target", "offered", "code"),
    [
        (exec_path("true"), ["nosuch"], 400),
        (f"{POD}/exec?stdout=true", [V5], 400),
        (f"{POD}/exec?command=true", [V5], 400),
        (exec_path("true", query="stdout=true&container=other"), [V5], 400),
        (exec_path("true").replace("/p/", "/nosuch/"), [V5], 404),
        (f"{POD}/portforward", [V4], 400),
    ],
)
def test_what_is_refused_before_the_101(dev, target, offered, code):
    answer = dev.socket(target, *offered)
    assert isinstance(answer, Reply) and answer.status == code


def test_an_exec_without_an_upgrade_is_refused(dev):
    assert dev.ask("GET", exec_path("true")).status == 400


def test_an_exec_into_what_does_not_run():
    dev = Cluster("true")
    assert dev.socket(exec_path("true"), V5).status == 500


# --- exec over SPDY


def test_a_command_begins_when_its_streams_are_there(dev):
    client = SpdyClient(dev.spdy(exec_path("cat", query="stdin=true&stdout=true&stderr=true"), V4, "v3.channel.k8s.io"))
    assert client.headers["X-Stream-Protocol-Version"] == V4
    error, stdin = client.open(streamtype="error"), client.open(streamtype="stdin")
    client.say(stdin, b"early ")
    stdout, stderr = client.open(streamtype="stdout"), client.open(streamtype="stderr")
    client.say(stdin, b"late", fin=True)
    assert client.said[stdout] == b"early late"
    assert orjson.loads(client.said[error]) == {"metadata": {}, "status": "Success"}
    assert client.ended == {error, stdin, stdout, stderr} == client.replied and client.link.closed


def test_an_exit_code_over_spdy(dev):
    client = SpdyClient(dev.spdy(exec_path("sh", "-c", "exit 137", query="stdout=true"), V4))
    error, _ = client.open(streamtype="error"), client.open(streamtype="stdout")
    assert orjson.loads(client.said[error])["details"]["causes"][0]["message"] == "137"


def test_before_v4_the_error_is_plain_text(dev):
    client = SpdyClient(dev.spdy(exec_path("false", query="stdout=true"), "v2.channel.k8s.io"))
    error, _ = client.open(streamtype="error"), client.open(streamtype="stdout")
    assert client.said[error] == b"command terminated with non-zero exit code: exit status 1"


def test_a_terminal_over_spdy(dev):
    client = SpdyClient(dev.spdy(exec_path("sh", query="stdin=true&stdout=true&tty=true"), V5))
    client.open(streamtype="error")
    stdin, stdout, resize = client.open(streamtype="stdin"), client.open(streamtype="stdout"), client.open(streamtype="resize")
    client.say(resize, b'{"Width":90,"Height":20}\n')
    client.say(stdin, b"stty size\r")
    assert b"20 90\r\n" in client.said[stdout]


def test_stream_protocols_that_the_server_has_not(dev):
    answer = dev.spdy(exec_path("true"), "v9.channel.k8s.io")
    assert answer.status == 403 and answer.headers[0][0] == "X-Accepted-Stream-Protocol-Versions"
    assert dev.spdy(exec_path("true")).status == 400


# --- attach


def test_attach_reaches_the_main_program():
    dev = Cluster("sh", "-c", "while read line; do echo got $line; done; exit 4", stdin=True, stdinOnce=True)
    first = SocketClient(dev.socket(f"{POD}/attach?stdin=true&stdout=true&stderr=true", V5))
    second = SocketClient(dev.socket(f"{POD}/attach?stdout=true", V5))
    first.say(0, b"one\n")
    assert first.said[1] == second.said[1] == b"got one\n"
    second.tunnel.lost()
    first.say(0, b"two\n")
    assert first.said[1] == b"got one\ngot two\n"
    first.send(b"\xff\x00")
    assert first.status["status"] == "Success" and first.closed == 1000


def test_an_input_for_more_than_one_client_stays_open_and_whose_input_ends_is_attached_no_more():
    """As containerd has it: ``kubectl attach -i``, ``run -i`` and ``debug -i`` would wait for ever where there is nothing to type."""
    dev = Cluster("sh", "-c", "while read line; do echo got $line; done", stdin=True)
    first = SocketClient(dev.socket(f"{POD}/attach?stdin=true&stdout=true", V5))
    first.send(b"\xff\x00")
    assert first.status["status"] == "Success" and first.closed == 1000
    older = SpdyClient(dev.spdy(f"{POD}/attach?stdin=true&stdout=true", "v4.channel.k8s.io"))
    error, stdin, _ = (older.open(streamtype=kind) for kind in ("error", "stdin", "stdout"))
    older.say(stdin, b"", fin=True)
    assert b'"Success"' in older.said[error]
    second = SocketClient(dev.socket(f"{POD}/attach?stdin=true&stdout=true", V5))
    second.say(0, b"again\n")
    assert second.said[1] == b"got again\n"


# --- port-forward


def open_pair(client, port, request="0"):
    error = client.open(streamtype="error", port=str(port), requestid=request, fin=True)
    return error, client.open(streamtype="data", port=str(port), requestid=request)


def test_a_web_server_listens_on_8080(dev):
    client = SpdyClient(dev.spdy(f"{POD}/portforward", "portforward.k8s.io"))
    error, data = open_pair(client, 8080)
    client.say(data, b"GET /bytes/300000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", fin=True)
    head, _, body = client.said[data].partition(b"\r\n\r\n")
    assert b"Content-Length: 300000" in head and body == b"0123456789" * 30000
    assert client.said[error] == b"" and {error, data} <= client.ended


def test_an_upload_is_read_and_its_sum_told(dev):
    client = SpdyClient(dev.spdy(f"{POD}/portforward", "portforward.k8s.io"))
    _, data = open_pair(client, 8080)
    body = b"x" * 700_000
    client.say(data, b"POST / HTTP/1.1\r\nContent-Length: 700000\r\n\r\n" + body)
    assert hashlib.sha256(body).hexdigest().encode() in client.said[data]
    client.say(data, b"GET / HTTP/1.1\r\n\r\n")
    assert client.said[data].endswith(b"hello from p\n")


def test_a_port_where_nothing_listens_costs_only_its_pair(dev):
    client = SpdyClient(dev.spdy(f"{POD}/portforward", "portforward.k8s.io"))
    error, data = open_pair(client, 9999)
    assert b"error forwarding port 9999 to pod p, uid " in client.said[error] and {error, data} <= client.ended
    _, echo = open_pair(client, 5432, "1")
    client.say(echo, b"still there")
    assert client.said[echo] == b"still there"


def test_pairs_are_known_by_their_request(dev):
    client = SpdyClient(dev.spdy(f"{POD}/portforward", "portforward.k8s.io"))
    refused = client.open(streamtype="error", port="9999", requestid="0", fin=True)
    error = client.open(streamtype="error", port="5432", requestid="1", fin=True)
    data = client.open(streamtype="data", port="5432", requestid="1")
    client.open(streamtype="data", port="9999", requestid="0")
    client.say(data, b"x")
    assert client.said[data] == b"x" and b"9999" in client.said[refused] and error not in client.said


def test_old_clients_pair_streams_by_number(dev):
    client = SpdyClient(dev.spdy(f"{POD}/portforward", "portforward.k8s.io"))
    client.open(streamtype="error", port="5432")
    data = client.open(streamtype="data", port="5432")
    client.say(data, b"x")
    assert client.said[data] == b"x"


def test_spdy_inside_websocket_messages_of_any_size(dev):
    outer = SocketClient(dev.socket(f"{POD}/portforward", FORWARD))
    inner = Session(client=True)
    error = inner.open([(b"streamtype", b"error"), (b"port", b"5432"), (b"requestid", b"0")], fin=True)
    data = inner.open([(b"streamtype", b"data"), (b"port", b"5432"), (b"requestid", b"0")])
    inner.send(data, b"hello", fin=True)
    for byte in inner.data_to_send():
        outer.send(bytes([byte]))
    outer.send(b"")
    received = [event for event in inner.receive(b"".join(outer.raw)) if isinstance(event, Received)]
    assert b"".join(event.data for event in received if event.stream == data) == b"hello"
    assert {event.stream for event in received if event.ended} == {error, data}


def test_the_old_websocket_form_has_two_channels_for_a_port(dev):
    client = SocketClient(dev.socket(f"{POD}/portforward?port=5432&port=9999", V4))
    little = (5432).to_bytes(2, "little")
    assert client.said[0] == client.said[1] == little
    assert client.said[3].startswith((9999).to_bytes(2, "little") + b"error forwarding port 9999")
    client.say(0, b"echo")
    assert client.said[0] == little + b"echo"
