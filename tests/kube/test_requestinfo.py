"""What a request asks for. The judge of the finer points is the API server itself, in test_requestinfo_vectors."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.kube.portforward import MOST_PORTS
from kgate.kube.refusal import Refusal
from kgate.kube.requestinfo import parse_action
from kgate.model import Action, Cluster, Operation, is_copy

DEV = Cluster("dev")
POD = "/api/v1/namespaces/payments/pods/web-0"


def ask(target: str | bytes, method: str = "GET") -> Action:
    action = parse_action(DEV, method.encode(), target if isinstance(target, bytes) else target.encode())
    assert isinstance(action, Action), action
    return action


def refused(target: str | bytes, method: str = "GET") -> Refusal:
    refusal = parse_action(DEV, method.encode(), target if isinstance(target, bytes) else target.encode())
    assert isinstance(refusal, Refusal), refusal
    return refusal


# --- the usual


def test_kubectl_get_pods() -> None:
    assert ask("/api/v1/namespaces/default/pods?limit=500") == Action(
        DEV, "GET", "list", "/api/v1/namespaces/default/pods?limit=500", "/api/v1/namespaces/default/pods",
        api_version="v1", resource="pods", namespace="default",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("method", "target", "verb", "name"),
    [
        ("GET", "/apis/apps/v1/namespaces/a/deployments/web", "get", "web"),
        ("HEAD", "/apis/apps/v1/namespaces/a/deployments/web", "get", "web"),
        ("POST", "/apis/apps/v1/namespaces/a/deployments", "create", ""),
        ("PUT", "/apis/apps/v1/namespaces/a/deployments/web", "update", "web"),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/web", "patch", "web"),
        ("DELETE", "/apis/apps/v1/namespaces/a/deployments/web", "delete", "web"),
        ("DELETE", "/apis/apps/v1/namespaces/a/deployments", "deletecollection", ""),
        ("GET", "/apis/apps/v1/namespaces/a/deployments", "list", ""),
        ("GET", "/apis/apps/v1/namespaces/a/deployments/", "list", ""),
        ("GET", "/apis/apps/v1/namespaces/a/deployments?watch", "watch", ""),
        ("GET", "/apis/apps/v1/namespaces/a/deployments/web?watch=true", "get", "web"),
        ("GET", "/apis/apps/v1/namespaces/a/deployments?fieldSelector=metadata.name%3Dweb&watch=1", "watch", "web"),
        ("GET", "/apis/apps/v1/watch/namespaces/a/deployments/web", "watch", "web"),
        ("OPTIONS", "/apis/apps/v1/namespaces/a/deployments/web", "", "web"),
    ],
)
def test_verbs(method: str, target: str, verb: str, name: str) -> None:
    action = ask(target, method)
    assert (action.verb, action.name) == (verb, name)
    assert (action.api_group, action.api_version, action.resource, action.namespace) == ("apps", "v1", "deployments", "a")
    assert action.operation is None and action.target == target and action.follows is (verb == "watch")


def test_a_namespace_is_in_itself() -> None:
    action = ask("/api/v1/namespaces/payments")
    assert (action.resource, action.name, action.namespace) == ("namespaces", "payments", "payments")
    action = ask("/api/v1/namespaces/payments/finalize", "PUT")
    assert (action.resource, action.subresource, action.namespace) == ("namespaces", "finalize", "payments")


@pytest.mark.parametrize("path", ["/", "/api", "/api/", "/api/v1", "/apis", "/apis/apps/v1", "/openapi/v3", "/healthz", "/metrics"])
def test_everything_else_is_a_path(path: str) -> None:
    assert ask(path + "?timeout=32s") == Action(DEV, "GET", "get", path + "?timeout=32s", path)


@pytest.mark.parametrize(
    ("value", "watched"), [("true", 1), ("1", 1), ("", 1), ("no", 1), ("0", 0), ("false", 0), ("FALSE", 0), ("fAlSe", 0)]
)
def test_what_is_true_in_a_query(value: str, watched: int) -> None:
    assert ask(f"/api/v1/pods?watch={value}").verb == ("watch" if watched else "list")
    assert ask(f"/api/v1/pods?watch={value}&watch=true&watch=false").verb == ("watch" if watched else "list"), "the first one counts"
    assert ask(f"{POD}/log?follow={value}").follows is bool(watched)


def test_selectors_are_kept_where_rbac_knows_them() -> None:
    action = ask("/api/v1/pods?labelSelector=app%3Dweb&fieldSelector=spec.nodeName%3Dn1")
    assert (action.label_selector, action.field_selector, action.name) == ("app=web", "spec.nodeName=n1", "")
    assert ask(f"{POD}?labelSelector=a").label_selector == "" == ask("/api/v1/watch/pods?labelSelector=a").label_selector


# --- what opens a channel or mints a credential


@pytest.mark.threat("09")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("subresource", "operation"),
    [("exec", Operation.EXEC), ("attach", Operation.ATTACH), ("portforward", Operation.PORT_FORWARD)],
)
def test_websocket_and_spdy_ask_for_one_and_the_same_thing(method: str, subresource: str, operation: Operation) -> None:
    action = ask(f"{POD}/{subresource}?container=app", method)
    assert (action.verb, action.operation, action.follows) == ("create", operation, True)
    assert (action.resource, action.subresource, action.namespace, action.name) == ("pods", subresource, "payments", "web-0")


@pytest.mark.threat("09")
@pytest.mark.parametrize(
    ("target", "operation"),
    [
        ("/api/v1/namespaces/a/pods/web-0/proxy", Operation.PROXY),
        ("/api/v1/namespaces/a/services/https:web:443/proxy/login", Operation.PROXY),
        ("/api/v1/nodes/n1/proxy/exec/a/web-0/app", Operation.PROXY),
        ("/api/v1/proxy/nodes/n1", Operation.PROXY),
        ("/api/v1/proxy/namespaces/a/pods/web-0/exec", Operation.PROXY),
        ("/api/v1/proxy/nodes", Operation.PROXY),
        ("/apis/metrics.k8s.io/v1/namespaces/a/things/x/proxy", Operation.PROXY),
        ("/apis/subresources.kubevirt.io/v1/namespaces/a/virtualmachineinstances/x/portforward/22", Operation.PORT_FORWARD),
        ("/api/v1/watch/namespaces/a/pods/web-0/exec", Operation.EXEC),
    ],
)
def test_every_tunnel_is_known_as_one_whatever_its_verb(target: str, operation: Operation) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
        action = ask(target, method)
        assert action.operation is operation and action.follows


def test_exec_with_all_it_says() -> None:
    action = ask(f"{POD}/exec?command=sh&command=-c&command=echo+a%2Bb%0A&container=app&stdin=true&stdout=true&tty=true")
    assert action.command == ("sh", "-c", "echo a+b\n")
    assert (action.container, action.stdin, action.tty, action.operation) == ("app", True, True, Operation.EXEC)
    assert ask(f"{POD}/exec?command=rm&command=-rf+/srv&container=app").command == ("rm", "-rf /srv")


def test_the_other_operations() -> None:
    assert ask(f"{POD}/log?container=app&follow=true").operation is Operation.LOGS
    assert ask("/api/v1/namespaces/a/serviceaccounts/ci/token", "POST").operation is Operation.TOKEN
    assert ask(f"{POD}/ephemeralcontainers", "PATCH").operation is Operation.DEBUG
    assert ask(f"{POD}/ephemeralcontainers").operation is None
    assert ask("/apis/example.com/v1/namespaces/a/serviceaccounts/ci/token", "POST").operation is None


@pytest.mark.threat("09")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/namespaces/a/serviceaccounts/ci/status",
        "/api/v1/namespaces/a/secrets/ci/token",
        "/apis/example.com/v1/namespaces/a/serviceaccounts/ci/token",
        "/api/v1/namespaces/a/services/web/log",
        "/apis/example.com/v1/namespaces/a/pods/web/log",
        "/api/v1/namespaces/a/pods/web/status",
        "/api/v1/namespaces/a/pods/web/eviction",
        "/api/v1/namespaces/a/services/web/ephemeralcontainers",
        "/apis/example.com/v1/namespaces/a/pods/web/ephemeralcontainers",
        "/api/v1/watch/namespaces/a/pods/web/ephemeralcontainers",
        "/api/v1/namespaces/a/pods/exec",
        "/api/v1/namespaces/a/pods/token",
    ],
)
def test_what_is_only_called_alike_is_no_action(method: str, target: str) -> None:
    """Or whoever may debug could write a pod's status."""
    assert ask(target, method).operation is None


def test_ports_of_old_websocket_clients_are_in_the_query() -> None:
    assert ask(f"{POD}/portforward?ports=80&ports=443,8080").ports == (80, 443, 8080)
    assert ask(f"{POD}/portforward?ports=80&port=22").ports == (80, 22), "the kubelet's word counts too"
    assert ask(f"{POD}/portforward?ports=1,65535").ports == (1, 65535)
    assert ask(f"{POD}/portforward?ports=" + ",".join(map(str, range(1, MOST_PORTS + 1)))).ports == tuple(range(1, MOST_PORTS + 1))
    for wrong in ("0", "65536", "x", "", "80,", "+80", "%EF%BC%91"):
        assert refused(f"{POD}/portforward?ports={wrong}") == Refusal(400, "ports must be numbers from 1 to 65535, joined by commas")


@pytest.mark.threat("19")
def test_a_url_has_no_more_ports_than_a_forward_may_have() -> None:
    """Each is held against each rule: 30,000 took a second with fifty rules. And each is two channels of one byte, or the last words have no place."""
    for many in ("1," * MOST_PORTS + "1", "&ports=".join(["1"] * (MOST_PORTS + 1)), "1," * 30_000 + "1"):
        assert refused(f"{POD}/portforward?ports={many}") == Refusal(
            400, f"a port-forward has at most {MOST_PORTS} ports: begin another for more"
        )


@pytest.mark.parametrize(
    "command",
    [
        "tar cf - /var/log", "tar -xmf - -C /tmp", "tar -xmf -", "tar --no-same-permissions --no-same-owner -xmf - -C /tmp", "test -d /tmp",
    ],
)  # fmt: skip
def test_kubectl_cp_is_known_by_its_tar(command: str) -> None:
    target = f"{POD}/exec?" + "&".join(f"command={quote(word, safe='')}" for word in command.split())
    assert ask(target).operation is Operation.CP
    assert ask(target + "&tty=true").operation is Operation.EXEC


@pytest.mark.threat("09")
@pytest.mark.parametrize(
    "command",
    [
        "", "tar", "tar cf -", "tar cf - -I/bin/sh", "tar cf - /a --checkpoint-action=exec=sh", "tar -xmf - --to-command=sh",
        "tar -xmf - -C", "/tmp/tar cf - /a",
        "tar -xmf - -C -x", "tar xf - -C /tmp", "sh -c tar", "test -d", "test -d -x", "test -f /a", "tar -xmf - -C /tmp -C /etc",
        "test -d /a -o -f /b",
    ],
)  # fmt: skip
def test_nothing_else_that_tar_can_do_is_a_copy(command: str) -> None:
    assert not is_copy(tuple(command.split()), tty=False)


# --- what is read in more than one way


@pytest.mark.threat("10")
@pytest.mark.parametrize(
    "target",
    [
        "//api/v1/pods", "/api//v1/pods", "/api/v1/namespaces//pods", "/api/v1/pods//", "/api/v1/./pods", "/api/v1/namespaces/../pods",
        "/..", "/.",
        "/api/v1/namespaces/%2e%2e/pods", "/api/v1/namespaces/.%2E/pods", "/api/v1/namespaces/default%2Fpods",
        "/api/v1/namespaces/a%5Cb", "/api/v1/pods%00",
        "/api/v1/pods%0a", "/api/v1/pods%7f", "/api/v1/pods%c2%85", "/api/v1/pods%ff", "/api/v1/pods%", "/api/v1/pods%z1",
        "/api/v1/pods%2", "/api/v1/a%252Fb",
        "/api/v1/pods;x=1", "/api/v1/pods#x", "/api/v1/pods\\x", "/api/v1/pods\x7f", "/api/v1/p ods", "/api/v1/pods\r\n", "/api/v1/pöds",
        "", "api/v1/pods", "*", "https://cluster/api/v1/pods", "cluster:443", "?watch=true", "/api/v1/watch", "/api/v1/proxy",
    ],
)  # fmt: skip
def test_targets_that_two_readers_could_take_for_two_things(target: str) -> None:
    assert refused(target).status == 400


@pytest.mark.threat("10")
@pytest.mark.parametrize(
    "query",
    [
        "watch=true;a=b", "a;b", "watch=%", "%zz=1", "a=%ff", "%ff", "a=%00", "%00=a", "watch=fal%C5%BFe", "limit=x", "limit=",
        "limit", "limit=1_0",
        "timeoutSeconds=30s", "limit=9999999999999999999", "fieldSelector=a", "fieldSelector=metadata.name%3Dx&labelSelector=a,,b",
        "fieldSelector=metadata.name%3Da%0Ab", "container=%1b", "#", "a=\\", "a=é", "a=\x7f",
    ],
)  # fmt: skip
def test_queries_that_two_readers_could_take_for_two_things(query: str) -> None:
    assert refused("/api/v1/pods?" + query).status == 400


@pytest.mark.threat("10")
@pytest.mark.parametrize("target", ["/api/v1/pods?watch=", f"{POD}/log?follow=", f"{POD}/exec?command=sh&tty=", f"{POD}/attach?stdin="])
def test_a_long_s_makes_no_word_of_false(target: str) -> None:
    """Go has two readings of a boolean, and folds U+017F into ``s`` in one of them."""
    refusal = refused(target + "fal%C5%BFe")
    assert refusal.status == 400 and refusal.message.endswith("must be true or false")
    assert isinstance(ask(target + "false"), Action)


@pytest.mark.threat("10")
def test_below_a_proxy_the_path_is_the_proxied_servers_but_it_cannot_climb_out() -> None:
    for tail in ("/", "//a;b", "/a%2Fb", "/a%5Cb", "/a//b/", "/static/..hidden", "/100%25"):
        assert ask(f"{POD}/proxy{tail}").operation is Operation.PROXY
    for tail in ("/..", "/../../secrets", "/a/%2e%2e/b", "/a%2F..%2Fb", "/a%5C..%5Cb", "/.", "/%00", "/%ff", "/#", "/\\"):
        assert refused(f"{POD}/proxy{tail}").status == 400
    assert ask(f"{POD}/proxy/?container=app").container == ""
    assert ask("/api/v1/proxy/namespaces/payments/services/web/a%2Fb//c;d").operation is Operation.PROXY
    assert refused("/api/v1/proxy/namespaces/payments/services/a%2Fb/x").status == 400
    assert refused("/api/v1/namespaces/payments/pods/a%2Fb/proxy/x").status == 400
    assert refused("/api/v1/namespaces/payments/pods//proxy/x").status == 400


def test_logs_have_no_terminal_and_follow_where_they_are_asked_to_or_watched() -> None:
    logs = ask(POD + "/log?follow=true&tty=true&stdin=true&container=app")
    assert logs == Action(
        DEV, "GET", "get", logs.target, POD + "/log", api_version="v1", resource="pods", subresource="log", namespace="payments",
        name="web-0", operation=Operation.LOGS, container="app", follows=True,
    )  # fmt: skip
    assert not ask(POD + "/log").follows
    assert ask("/api/v1/watch/namespaces/payments/pods/web-0/log").follows


@pytest.mark.threat("10")
def test_the_dots_of_a_real_name_are_no_obstacle() -> None:
    assert ask("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/a.b.c").name == "a.b.c"
    assert ask("/.well-known/openid-configuration").path == "/.well-known/openid-configuration"
    assert ask("/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node").name == "system:node"
    assert ask("/apis/rbac.authorization.k8s.io/v1/clusterroles/a%20b%3Bc").name == "a b;c"


@pytest.mark.parametrize("method", ["get", "Get", "TRACE", "CONNECT", "PRI", "LIST", "", "GET /evil"])
def test_methods_that_kubernetes_does_not_have(method: str) -> None:
    assert "method" in refused("/api/v1/pods", method).message


def test_there_is_an_end_to_parameters() -> None:
    assert ask("/api/v1/pods?" + "&" * 4095).verb == "list"
    refusal = refused("/api/v1/pods?" + "&" * 4096)
    assert refusal.status == 400 and "parameters" in refusal.message


# --- properties

SEGMENT = st.from_regex(r"[a-z0-9:~@]([a-zA-Z0-9._:~@-]{0,8}[a-z0-9])?", fullmatch=True)
WORDS = st.sampled_from(["api", "apis", "v1", "namespaces", "watch", "proxy", "pods", "exec", "log", "status", "finalize"])
PATHS = st.lists(SEGMENT | WORDS, max_size=9).map(lambda segments: "/" + "/".join(segments))
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(["watch", "limit", "command", "container", "follow", "tty", "x"]), st.from_regex(r"[a-z0-9]{1,5}", fullmatch=True)
    ),
    max_size=4,
)


@given(PATHS, QUERIES, st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]), st.data())
@settings(max_examples=300)
def test_a_spelling_with_escapes_means_the_same(path: str, query: list[tuple[str, str]], method: str, data: st.DataObject) -> None:
    """The fast way and the careful way agree."""
    plain = path + ("?" + "&".join(f"{key}={value}" for key, value in query) if query else "")
    at = data.draw(st.integers(0, len(plain) - 1))
    escaped = plain if plain[at] in "/?&=" else f"{plain[:at]}%{ord(plain[at]):02X}{plain[at + 1 :]}"
    first, second = (parse_action(DEV, method.encode(), target.encode()) for target in (plain, escaped))
    if isinstance(first, Action) and isinstance(second, Action):
        assert second.but(target=first.target) == first
    else:
        assert first == second


@given(st.binary(max_size=60).map(lambda tail: b"/api/v1/" + tail) | st.binary(max_size=60), st.sampled_from([b"GET", b"POST", b"\xff"]))
@settings(max_examples=300)
def test_no_bytes_raise_and_what_passes_is_forwarded_as_it_came(target: bytes, method: bytes) -> None:
    action = parse_action(DEV, method, target)
    if isinstance(action, Action):
        assert action.target.encode() == target and action.path.isprintable() and "/../" not in action.path
    else:
        assert action.status == 400 and action.message.isprintable()


@given(st.text("ab/%.;25fFeE\\", max_size=14), st.text("ab&=%;+0", max_size=8))
@settings(max_examples=300)
def test_nothing_that_passes_has_an_ambiguous_head(path: str, query: str) -> None:
    action = parse_action(DEV, b"GET", f"/apis/g/v1/{path}?{query}".encode())
    if isinstance(action, Action) and action.operation is not Operation.PROXY:
        assert not {"..", "."} & set(action.path.split("/")) and "//" not in action.path and not set("%\\") & set(action.path)
        assert ";" not in query
