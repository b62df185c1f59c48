"""What carries a stream: logs -f, exec, attach, cp, port-forward and debug, held to checksums; exec and port-forward over WebSocket and over SPDY."""

from __future__ import annotations

import hashlib
import os
import random
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lab.cluster import RealCluster
from lab.kubectl import Kubectl, Ran
from lab.pods import BLOB_BYTES, BLOBS, BOX, COUNTER, GREETER, IMAGE, LINES, pod
from lab.same import Ways, but_klog, hold_alike
from lab.terminal import terminal
from lab.waiting import eventually
from ports import free_port

BULK = 50_000_000
FILES = 500


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("code", [0, 3, 137])
def test_exec_ends_with_the_exit_code_of_the_program(tunnel_ways: Ways, code: int) -> None:
    script = "kill -9 $$" if code == 137 else f"echo out; echo err >&2; exit {code}"
    ran = tunnel_ways.same("exec", "box", "--", "sh", "-c", script, code=code)
    assert (ran.out, b"err\n" in ran.err) == ((b"", False) if code == 137 else (b"out\n", True))


def test_exec_without_stdin_and_with_an_empty_one(tunnel_ways: Ways) -> None:
    assert tunnel_ways.same("exec", "box", "--", "cat").out == b""
    assert tunnel_ways.same("exec", "-i", "box", "--", "wc", "-c", stdin=b"").out == b"0\n"


def test_exec_carries_50_MB_in_and_back(tunnel_ways: Ways) -> None:
    bulk = random.Random(0).randbytes(BULK)
    back = tunnel_ways.same("exec", "-i", "box", "--", "cat", stdin=bulk, timeout=120)
    assert (len(back.out), sha256(back.out)) == (BULK, sha256(bulk))


def test_logs_follow_carries_200_000_lines(ways: Ways, cluster: RealCluster) -> None:
    cluster.create(pod("counter", COUNTER))
    try:
        cluster.ready("counter")
        with ways.direct.live("logs", "-f", "counter") as direct, ways.gated.live("logs", "-f", "counter") as gated:
            ways.direct.run("exec", "counter", "--", "touch", "/tmp/go").must()
            for way in (direct, gated):
                way.until(b"\n%d\n" % LINES, 60)
            ways.direct.run("exec", "counter", "--", "touch", "/tmp/end").must()
            hold_alike(direct.wait().must(), ended := gated.wait().must())
    finally:
        cluster.delete("Pod", "counter")
    assert sha256(ended.out) == sha256(b"".join(b"%d\n" % i for i in range(1, LINES + 1)))


def test_a_shell_in_a_terminal_knows_its_size_and_leaves_it_as_it_was(tunnel_ways: Ways, tmp_path: Path) -> None:
    def scenario(kubectl: Kubectl) -> Sequence[Ran]:
        with terminal(kubectl.argv("exec", "-it", "box", "--", "sh"), kubectl.environment, tmp_path, 100, 30) as window:
            window.until("/ #")
            window.type("stty size")
            window.until("30 100\n/ #")  # what is typed before the shell asks for it is echoed twice
            window.resize(132, 43)
            window.type("until [ $(stty size | tr -d ' ') = 43132 ]; do :; done; stty size")
            window.until("\n43 132\n/ #")
            window.type("vi /etc/hostname")
            window.until("~\n")
            window.type(":q!")
            window.until("\n/ #")
            window.type("trap 'echo caught; up=1' INT; echo asleep; until [ $up ]; do sleep 5; done")  # it may come before the first sleep
            window.until("\nasleep")
            window.press("C-c")
            window.until("^Ccaught\n/ #")
            window.type("exit 3")
            code, _ = window.ended()
            last = window.last_screen()
            assert "-echo" not in last and "-icanon" not in last, last
            return [Ran(code, last.encode(), b"", kubectl.name)]

    assert tunnel_ways.played(scenario)[0].code == 3


def test_debug_puts_a_container_into_a_pod_and_attaches_to_it(tunnel_ways: Ways, cluster: RealCluster) -> None:
    argv = ("debug", "-i", "patient", "--image", IMAGE, "--image-pull-policy", "IfNotPresent", "--profile", "general", "-c", "doctor")

    def scenario(kubectl: Kubectl) -> Sequence[Ran]:
        cluster.create(pod("patient", BOX))
        try:
            cluster.ready("patient")
            with kubectl.live(*argv, "--target", "main", "--", "sh", "-c", f"ps; {GREETER}", stdin=True) as doctor:
                doctor.write(b"one\n")
                doctor.until(b"got one", 30)
                doctor.write(b"bye\n")
                ended = doctor.wait(30).must()
            inside = kubectl.run("get", "pod", "patient", "-o", "jsonpath={.spec.ephemeralContainers[*].name}").must()
            # How much was said before kubectl was attached differs, and so does the program's own list of processes.
            return [Ran(0, ended.out[ended.out.index(b"got one") :], ended.err, ended.line), inside]
        finally:
            cluster.delete("Pod", "patient")
            eventually("the pod is gone", lambda: cluster.api.ask("GET", f"/api/v1/namespaces/{cluster.namespace}/pods/patient")[0] == 404)

    treated, inside = tunnel_ways.played(scenario)
    assert treated.out == b"got one\ngot bye\n" and inside.out == b"doctor"


def test_attach_with_stdin_until_the_program_ends(tunnel_ways: Ways, cluster: RealCluster) -> None:
    def scenario(kubectl: Kubectl) -> Sequence[Ran]:
        cluster.create(pod("greeter", GREETER, stdin=True))
        try:
            cluster.ready("greeter")
            with kubectl.live("attach", "-i", "-q", "greeter", stdin=True) as attached:
                attached.write(b"one\n")
                attached.until(b"got one")
                attached.write(b"two\nbye\n")
                return [attached.wait(30).must()]
        finally:
            cluster.delete("Pod", "greeter")
            eventually("the pod is gone", lambda: cluster.api.ask("GET", f"/api/v1/namespaces/{cluster.namespace}/pods/greeter")[0] == 404)

    assert tunnel_ways.played(scenario)[0].out == b"got one\ngot two\ngot bye\n"


def tree(directory: Path) -> str:
    """One checksum over names and contents, as ``TREE`` computes it in the pod."""
    names = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    return sha256("".join(f"{sha256((directory / name).read_bytes())}  {name}\n" for name in names).encode())


TREE = "cd {} && find . -type f | sed 's|^./||' | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1"


def test_cp_of_500_files_each_way(tunnel_ways: Ways, tmp_path: Path) -> None:
    there = tmp_path / "there"
    chance = random.Random(0)
    for i in range(FILES):
        path = there / f"d{i % 10}" / f"file-{i}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(chance.choice((0, 1, 100, 5_000, 70_000))))

    def scenario(kubectl: Kubectl) -> Sequence[Ran]:
        back = tmp_path / os.urandom(8).hex()
        ran = [
            kubectl.run("cp", str(there), "box:/tmp/there").must(),
            kubectl.run("exec", "box", "--", "sh", "-c", TREE.format("/tmp/there")).must(),
            kubectl.run("cp", "box:/tmp/there", str(back)).must(),
            kubectl.run("exec", "box", "--", "rm", "-r", "/tmp/there").must(),
        ]
        assert tree(back) == tree(there)
        return ran

    assert tunnel_ways.played(scenario)[1].out.decode().strip() == tree(there)


def fetched(port: int, path: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 200 ", b"HTTP/1.0 200 ")), head
    return body


def both_forwarded(ways: Ways, remote: int, use: Callable[[int], object], ends: bool = False) -> Ran:
    """Forwards a port of ``web`` directly, then through the gate, on the same local port; uses it, and compares what kubectl said.

    ``ends`` says that kubectl ends by itself, with exit code 1.
    """
    local = free_port()

    def scenario(kubectl: Kubectl) -> Sequence[Ran]:
        with kubectl.live("port-forward", "pod/web", f"{local}:{remote}", "--address=127.0.0.1") as forward:
            forward.until(b" -> ")
            use(local)
            return [forward.wait(20).must(1) if ends else forward.end()]

    return ways.played(scenario, but_klog)[0]


def test_port_forward_carries_20_MB_over_8_parallel_connections(tunnel_ways: Ways) -> None:
    sums = dict(
        reversed(line.split()) for line in tunnel_ways.direct.run("exec", "web", "--", "cat", "/srv/sums").must().out.decode().splitlines()
    )

    def use(port: int) -> None:
        with ThreadPoolExecutor(BLOBS) as threads:
            bodies = list(threads.map(lambda i: fetched(port, f"/{i}"), range(BLOBS)))
        assert [len(body) for body in bodies] == [BLOB_BYTES] * BLOBS
        assert {str(i): sha256(body) for i, body in enumerate(bodies)} == sums

    both_forwarded(tunnel_ways, 8080, use)


def test_port_forward_carries_both_directions_at_once(tunnel_ways: Ways) -> None:
    bulk = random.Random(1).randbytes(5_000_000)

    def use(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection, ThreadPoolExecutor(1) as threads:
            sent = threads.submit(connection.sendall, bulk)
            back = bytearray()
            while len(back) < len(bulk):
                piece = connection.recv(1 << 16)
                assert piece, f"ended after {len(back)} bytes"
                back += piece
            sent.result(10)
        assert sha256(bytes(back)) == sha256(bulk)

    both_forwarded(tunnel_ways, 7000, use)


def test_port_forward_to_a_port_that_refuses(tunnel_ways: Ways) -> None:
    def use(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            assert connection.recv(1) == b""

    assert b"connection refused" in both_forwarded(tunnel_ways, 9, use, ends=True).err
