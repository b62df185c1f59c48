"""Everything that only reads: through the gate, byte for byte as directly."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
from attrs import evolve
from lab.cluster import RealCluster
from lab.gate import ALICE, Gate, write_kubeconfig
from lab.kubectl import Kubectl, Ran
from lab.pods import pod
from lab.same import Likeness, Ways, but_ages, but_instants, but_late_streams, but_list_revision, exactly, hold_alike
from lab.waiting import eventually

MANY = 2000


@pytest.mark.parametrize(
    ("form", "like"),
    [((), but_ages), (("-o", "wide"), but_ages), (("-o", "json"), exactly), (("-o", "yaml"), exactly), (("-o", "name"), exactly)],
)
def test_get_in_every_form(ways: Ways, form: tuple[str, ...], like: Likeness) -> None:
    got = ways.same_objects("get", "pods", "box", "talker", "web", *form, like=like)
    assert b"box" in got.out


def test_get_by_selector_and_template(ways: Ways) -> None:
    assert ways.same("get", "pods", "-l", "app=box", "-o", "jsonpath={.items[*].spec.nodeName}").out
    assert ways.same("get", "pods", "--field-selector", "metadata.name=web", "-o", "custom-columns=N:.metadata.name").out == b"N\nweb\n"
    ways.same_objects("describe", "pod", "box", like=but_ages)


def test_what_is_not_there_and_what_rbac_forbids(ways: Ways) -> None:
    assert b"NotFound" in ways.same("get", "pod", "nobody", code=1).err
    refused = ways.same("get", "pods", "-n", "kube-system", code=1).err
    assert b'User "alice" cannot list resource "pods"' in refused
    ways.same("get", "nosuchthings", code=1)


def test_logs(ways: Ways) -> None:
    assert ways.same("logs", "talker", "--limit-bytes=40").out.startswith(b"tick 0\ntick 1\n")
    assert ways.same("logs", "web", "-c", "nosuch", code=1).err


def test_discovery(ways: Ways) -> None:
    assert b"deployments" in ways.same("api-resources").out
    assert b"apps/v1" in ways.same("api-versions").out
    ways.same("version")
    ways.same("get", "--raw", "/healthz")


def test_explain(ways: Ways) -> None:
    assert b"initContainers" in ways.same("explain", "pod.spec").out
    ways.same("explain", "deployment", "--recursive", timeout=90)


def test_auth_can_i(ways: Ways) -> None:
    assert ways.same("auth", "can-i", "get", "pods").out == b"yes\n"
    assert ways.same("auth", "can-i", "create", "pods", "--subresource", "exec").out == b"yes\n"
    assert ways.same("auth", "can-i", "get", "pods", "-n", "kube-system", code=1).out.startswith(b"no")
    assert ways.same("auth", "can-i", "get", "/metrics", code=1).out.startswith(b"no")


def test_auth_whoami(ways: Ways) -> None:
    said = ways.same("auth", "whoami", "-o", "json", like=but_instants)
    user = json.loads(said.out)["status"]["userInfo"]
    assert user["username"] == "alice" and user["groups"] == ["kgate-e2e-developers", "system:authenticated"]
    ways.same("auth", "whoami")


@pytest.mark.parametrize(
    ("form", "like"), [((), but_ages), (("-o", "json"), exactly), (("-o", "jsonpath={.type} {.object.data}{'\\n'}"), exactly)]
)
def test_get_watch_shows_each_change(ways: Ways, cluster: RealCluster, form: tuple[str, ...], like: Likeness) -> None:
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps/watched"
    cluster.create({"kind": "ConfigMap", "metadata": {"name": "watched"}, "data": {"turn": "first"}})
    # A list, whose revision the watch goes on from: of a single object kubectl watches from "now" and may miss what came in between.
    argv = ("get", "configmaps", "--field-selector=metadata.name=watched", "--watch", "--output-watch-events", *form)
    try:
        with ways.direct.live(*argv) as direct, ways.gated.live(*argv) as gated:
            direct.until(b"\n"), gated.until(b"\n")
            for turn in ("second", "third"):
                cluster.api.ask("PATCH", path, {"data": {turn: "yes"}}, "application/merge-patch+json")
            cluster.delete("ConfigMap", "watched")
            for way in (direct, gated):
                way.until(b"DELETED")
                eventually("the whole event", lambda way=way: way.out.endswith(b"\n"))
            hold_alike(direct.end(), gated.end(), like)
    finally:
        cluster.delete("ConfigMap", "watched")


@pytest.fixture(scope="module")
def many(cluster: RealCluster) -> Iterator[int]:
    things = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"many-{i:04}", "labels": {"many": "yes"}}, "data": {"i": "x" * 100}}
        for i in range(MANY)
    ]
    cluster.create(*things)
    yield MANY
    cluster.api.ask("DELETE", f"/api/v1/namespaces/{cluster.namespace}/configmaps?labelSelector=many%3Dyes")


def test_two_thousand_configmaps_in_pages(ways: Ways, many: int) -> None:
    names = ways.same("get", "configmaps", "-l", "many=yes", "-o", "name", "--chunk-size=500")
    assert names.out.count(b"\n") == many
    ways.same("get", "configmaps", "-l", "many=yes", "--chunk-size=500", like=but_ages)
    assert len(ways.same("get", "configmaps", "-l", "many=yes", "-o", "json", "--chunk-size=500").out) > 500_000
    ways.same("get", "configmaps", "-l", "many=yes", "-o", "json", "--chunk-size=0")


def fetched(address: str, path: str) -> bytes:
    """Status and body, and before them those of whatever leads there."""
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        found, location = b"%d " % answer.status + answer.read(), answer.getheader("location")
        return found if location is None else found + fetched(address, urljoin(path, location))
    finally:
        connection.close()


def test_proxy(ways: Ways, cluster: RealCluster) -> None:
    namespace = f"/api/v1/namespaces/{cluster.namespace}"
    paths = (
        f"{namespace}/pods/box",
        f"{namespace}/pods?limit=2",
        f"{namespace}/pods/nobody",
        f"{namespace}/pods/http:web:8080/proxy/sums",
        f"{namespace}/pods/http:web:8080/proxy",
        "/version",
    )

    def proxied(kubectl: Kubectl) -> list[Ran]:
        with kubectl.live("proxy", "--port=0") as proxy:
            said = proxy.until(b"\n").split()[-1].decode()
            answers = [Ran(0, fetched(said, path), b"", path) for path in paths]
            ended = proxy.end()
            return [*answers, Ran(ended.code, b"", ended.err, ended.line)]  # its stdout names the port, which differs

    version = ways.played_around(proxied, but_list_revision)[5]
    assert version.out.startswith(b"200 ") and b"gitVersion" in version.out


def test_a_path_of_the_gate_serves_as_well_as_a_host_name(ways: Ways, gate: Gate, cluster: RealCluster, tmp_path: Path) -> None:
    path = gate.kubeconfig(ALICE, cluster.namespace, tmp_path / "path.kubeconfig", f"https://127.0.0.1:{gate.port}/clusters/real")
    by_path = Ways(ways.direct, evolve(ways.gated, kubeconfig=path, home=tmp_path))
    by_path.same_objects("get", "pods", "box", "-o", "json")
    by_path.same("exec", "box", "--", "echo", "by path", like=but_late_streams)


def test_a_client_certificate_serves_as_well_as_a_token(ways: Ways, gate: Gate, cluster: RealCluster, tmp_path: Path) -> None:
    person = gate.authority.leaf(common_name=ALICE.user, organizations=(ALICE.group,), client=True)
    user = {
        "client-certificate-data": base64.b64encode(person.certificate).decode(),
        "client-key-data": base64.b64encode(person.key).decode(),
    }
    path = write_kubeconfig(
        tmp_path / "certificate.kubeconfig", f"https://localhost:{gate.port}", gate.authority.certificate, user, cluster.namespace
    )
    by_certificate = Ways(ways.direct, evolve(ways.gated, kubeconfig=path, home=tmp_path))
    by_certificate.same("auth", "whoami")
    by_certificate.same("exec", "box", "--", "echo", "by certificate", like=but_late_streams)


def test_a_proxied_server_whose_answer_has_too_long_a_head_costs_nobody_else_anything(ways: Ways, cluster: RealCluster) -> None:
    fields = "seq 15000 | sed 's/.*/X-&: a field of which there are too many, each of them with some words\\r/'"
    head = f"(printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n'; {fields}; printf '\\r\\nok') > /head"
    serve = 'echo "while read -r line && [ \\${#line} -gt 1 ]; do :; done; cat /head" > /serve'
    cluster.create(pod("talkative", f"{head}; {serve}; exec nc -ll -p 8080 -e sh /serve", listens=8080))
    path = f"/api/v1/namespaces/{cluster.namespace}/pods/talkative:8080/proxy/"
    try:
        cluster.ready("talkative")
        with ways.gated.live("get", "pods", "--watch") as watch:
            watch.until(b"talkative")
            assert b"kgate: cluster real" in ways.gated.run("get", "--raw", path).must(1).err
            ways.gated.run("label", "pod", "talkative", "seen=yes").must()
            eventually("the watch goes on", lambda: watch.out.count(b"talkative") > 1)
            assert watch.ended is None
    finally:
        cluster.delete("Pod", "talkative")
