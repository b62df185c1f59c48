"""Which fields pass the gate, each way."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.kube.headers import inbound_refusal, ordinary_headers, response_headers, upstream_headers
from kgate.kube.refusal import Headers, Refusal
from kgate.model import Action, Cluster, Impersonation, Operation

ALICE = Impersonation("alice", ("developers", "a,b"), "u-1", (("scopes", ("read", "write")),))
LIST = Action(Cluster("dev"), "GET", "list", "/api/v1/pods", "/api/v1/pods", resource="pods")
EXEC = Action(Cluster("dev"), "GET", "create", "/…/exec", "/…/exec", resource="pods", subresource="exec", operation=Operation.EXEC)
PROXY = Action(Cluster("dev"), "GET", "get", "/…/proxy/", "/…/proxy/", resource="pods", subresource="proxy", operation=Operation.PROXY)

KUBECTL: Headers = [
    (b"accept", b"application/json;as=Table;v=v1;g=meta.k8s.io,application/json"),
    (b"user-agent", b"kubectl/v1.37.2 (linux/amd64) kubernetes/b9a1bd6"),
    (b"accept-encoding", b"gzip"),
    (b"kubectl-command", b"kubectl get"),
    (b"kubectl-session", b"f6a1b6f2"),
    (b"authorization", b"Bearer alices-own"),
]
GATES_OWN: Headers = [
    (b"impersonate-user", b"alice"),
    (b"impersonate-group", b"developers"),
    (b"impersonate-group", b"a,b"),
    (b"impersonate-uid", b"u-1"),
    (b"impersonate-extra-scopes", b"read"),
    (b"impersonate-extra-scopes", b"write"),
    (b"authorization", b"Bearer gates-own"),
    (b"audit-id", b"01J9"),
]


def sent(headers: Headers, action: Action = LIST, *, upgrade: bool = False) -> Headers:
    return upstream_headers(action, headers, ALICE, b"01J9", b"gates-own", upgrade=upgrade)


def test_kubectl_get_goes_up_with_what_an_api_server_needs_and_in_alices_name() -> None:
    assert sent(KUBECTL) == KUBECTL[:5] + GATES_OWN


def test_a_gate_with_a_client_certificate_sends_no_authorization_at_all() -> None:
    names = [name for name, _ in upstream_headers(LIST, KUBECTL, ALICE, b"01J9", None)]
    assert b"authorization" not in names and names.count(b"impersonate-user") == 1


@pytest.mark.threat("02")
@pytest.mark.parametrize(
    "name",
    [
        b"impersonate-user", b"impersonate-group", b"impersonate-uid", b"impersonate-extra-scopes", b"Impersonate-User", b"impersonate_user",
        b"x-remote-user", b"x-remote-group", b"X-Remote-Extra-Scopes", b"x_remote_user", b"authorization", b"proxy-authorization", b"audit-id",
        b"cookie", b"x-forwarded-for", b"x-forwarded-client-cert", b"x-forwarded-uri", b"forwarded", b"x-real-ip", b"x-http-method-override",
        b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings", b"proxy-connection", b"expect", b"host",
        b"sec-websocket-extensions", b"x-client-cert", b"x-ssl-client-cert", b"via",
    ],
)  # fmt: skip
def test_nothing_that_says_who_asks_or_whence_goes_from_the_client_to_the_cluster(name: bytes) -> None:
    for action in (LIST, EXEC, PROXY):
        for upgrade in (False, True):
            assert sent([(name, b"system:masters")], action, upgrade=upgrade) == GATES_OWN


@pytest.mark.threat("11")
@given(st.lists(st.tuples(st.from_regex(rb"[a-z][a-z0-9_-]{0,30}", fullmatch=True), st.binary(max_size=20)), max_size=12))
@settings(max_examples=100)
def test_whatever_the_client_sends_the_gates_own_fields_stand_last_and_alone(headers: Headers) -> None:
    up = sent(headers, PROXY, upgrade=True)
    assert up[-len(GATES_OWN) :] == GATES_OWN
    own = {name for name, _ in GATES_OWN}
    assert not own & {name for name, _ in up[: -len(GATES_OWN)]}


@given(st.lists(st.tuples(st.sampled_from([name for name, _ in [*KUBECTL, *GATES_OWN]] + [b"cookie", b"te"]), st.just(b"x")), max_size=8))
def test_ordinary_requests_have_the_same_fields_but_for_the_audit_id(headers: Headers) -> None:
    ordinary = ordinary_headers(headers, ALICE, b"gates-own")
    assert [*ordinary, (b"audit-id", b"01J9")] == sent(headers)


@pytest.mark.threat("03")
def test_an_impersonation_that_should_not_exist_sends_nothing() -> None:
    for broken in (Impersonation(""), Impersonation("alice\r\nimpersonate-group: system:masters"), Impersonation("alice", ("a", ""))):
        with pytest.raises(ValueError, match=r"the (user|group)"):
            upstream_headers(LIST, KUBECTL, broken, b"01J9", b"gates-own")


# --- upgrades


def test_a_websocket_upgrade_carries_its_own_fields_and_no_compression() -> None:
    websocket = [
        (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-protocol", b"v5.channel.k8s.io, v4.channel.k8s.io"),
        (b"sec-websocket-extensions", b"permessage-deflate"),
    ]
    assert sent(websocket, EXEC, upgrade=True)[:-8] == websocket[:3]
    assert sent(websocket, EXEC) == GATES_OWN


def test_a_watch_over_websocket_says_where_it_comes_from() -> None:
    """The API server answers 403 to one that does not, as its library for WebSocket (golang.org/x/net) does by itself. It compares it with nothing."""
    asked = [(b"origin", b"https://gate:8443"), (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")]
    assert sent(asked, LIST, upgrade=True)[:-8] == asked
    assert sent(asked, LIST) == GATES_OWN


def test_each_offered_stream_protocol_keeps_its_line() -> None:
    spdy = [(b"x-stream-protocol-version", b"v%d.channel.k8s.io" % version) for version in (5, 4, 3, 2)]
    assert sent(spdy, EXEC, upgrade=True)[:-8] == spdy


def test_what_else_goes_up_with_an_upgrade_is_left_as_it_came() -> None:
    kept = [(b"accept", b"application/json,*/*;q=0.1"), (b"accept-encoding", b""), (b"sec-websocket-protocol", b"v5.channel.k8s.io")]
    assert sent(kept, EXEC, upgrade=True)[:-8] == kept


@pytest.mark.threat("02")
def test_a_token_among_the_subprotocols_stays_here() -> None:
    hidden = b"base64url.bearer.authorization.k8s.io.YWxpY2U"
    shown = sent(
        [(b"sec-websocket-protocol", hidden + b", v4.channel.k8s.io"), (b"sec-websocket-protocol", hidden.upper())], EXEC, upgrade=True
    )
    assert shown[:-8] == [(b"sec-websocket-protocol", b"v4.channel.k8s.io")]


def test_a_proxied_page_gets_some_more_of_a_browsers_fields() -> None:
    browser = [
        (b"accept-language", b"de"),
        (b"cache-control", b"no-cache"),
        (b"pragma", b"no-cache"),
        (b"referer", b"https://gate.example.com/"),
        (b"origin", b"https://gate.example.com"),
        (b"sec-fetch-dest", b"empty"),
        (b"sec-fetch-mode", b"cors"),
        (b"sec-fetch-site", b"same-origin"),
        (b"x-csrf-token", b"x"),
        (b"x-requested-with", b"XMLHttpRequest"),
        (b"last-event-id", b"7"),
        (b"if-modified-since", b"x"),
        (b"if-unmodified-since", b"x"),
        (b"if-range", b"x"),
        (b"content-disposition", b"attachment"),
        (b"content-language", b"de"),
    ]
    for upgrade in (False, True):
        assert sent([*browser, (b"cookie", b"kgate=secret")], PROXY, upgrade=upgrade) == browser + GATES_OWN
        shown = [field for field in browser if upgrade and field[0] == b"origin"]
        assert sent(browser, LIST, upgrade=upgrade) == shown + GATES_OWN
    offer = [(b"sec-websocket-key", b"x"), (b"sec-websocket-version", b"13"), (b"sec-websocket-protocol", b"chat")]
    assert sent(offer, PROXY, upgrade=True) == offer + GATES_OWN


def test_a_write_goes_up_with_what_it_writes_and_under_which_condition() -> None:
    writing = [
        (b"content-type", b"application/apply-patch+yaml"),
        (b"content-length", b"12"),
        (b"content-encoding", b"gzip"),
        (b"if-match", b'"x"'),
        (b"if-none-match", b'"y"'),
        (b"range", b"bytes=0-9"),
    ]
    assert sent(writing) == writing + GATES_OWN


# --- what is refused before anything else


def test_kubectl_is_not_refused() -> None:
    assert inbound_refusal(KUBECTL) is None
    assert inbound_refusal([*KUBECTL, (b"connection", b"Upgrade"), (b"upgrade", b"SPDY/3.1"), (b"content-length", b"0")]) is None
    assert (
        inbound_refusal([*KUBECTL, (b"connection", b"keep-alive, TE"), (b"te", b"trailers"), (b"x-custom", b"1"), (b"x-custom", b"2")])
        is None
    )
    assert inbound_refusal([*KUBECTL, (b"X-Custom", b"1")]) is None
    assert inbound_refusal([*KUBECTL, (b"connection", b"Upgrade, HTTP2-Settings,"), (b"connection", b"close")]) is None


@pytest.mark.threat("01")
@pytest.mark.parametrize(
    "value", [b"Impersonate-User", b"close, impersonate-group", b"keep-alive,authorization", b"audit-id", b"upgrade;x", b"x"]
)
def test_connection_may_not_name_another_header(value: bytes) -> None:
    refusal = inbound_refusal([*KUBECTL, (b"connection", value)])
    assert refusal is not None and refusal.status == 400 and "Connection" in refusal.message


@pytest.mark.threat("01")
def test_were_it_let_through_it_would_still_take_nothing_away() -> None:
    assert sent([(b"connection", b"impersonate-user, authorization, audit-id")]) == GATES_OWN


@pytest.mark.threat("02")
@pytest.mark.parametrize(
    "name",
    [
        b"x-remote-user", b"x-remote-extra-scopes", b"X-Remote-Group", b"x_remote_user", b"impersonate_user", b"Impersonate-User",
        b"IMPERSONATE-GROUP",
        b"impersonate_extra_scopes", b"Authorization", b"impersonate-user ", b"Connection", b"sec_websocket_protocol", b"Cookie", b"Host",
        b"TE", b"Upgrade", b"sec_websocket_extensions", b"upgrade_insecure_requests", b"content_length", b"x_requested_with",
    ],
)  # fmt: skip
def test_variants_of_identity_headers_are_refused_in_every_spelling(name: bytes) -> None:
    refusal = inbound_refusal([*KUBECTL, (name, b"system:admin")])
    assert refusal is not None and refusal.status == 400


@pytest.mark.threat("02")
@pytest.mark.parametrize(
    "name",
    [
        b"authorization", b"impersonate-user", b"impersonate-uid", b"content-type", b"content-length", b"content-encoding", b"host", b"origin",
        b"sec-websocket-key", b"sec-websocket-version", b"upgrade", b"user-agent",
    ],
)  # fmt: skip
def test_what_one_reader_takes_first_and_another_last_may_stand_once(name: bytes) -> None:
    refusal = inbound_refusal([(name, b"a"), (b"accept", b"*/*"), (name, b"b")])
    assert refusal is not None and refusal.status == 400 and "once" in refusal.message


# --- what comes back


def test_the_cluster_s_answer_passes_with_what_kubectl_and_caches_need() -> None:
    answer = [
        (b"audit-id", b"01J9"),
        (b"cache-control", b"no-cache, private"),
        (b"content-type", b"application/json"),
        (b"content-length", b"12"),
        (b"etag", b'"x"'),
        (b"vary", b"Accept-Encoding"),
        (b"warning", b'299 - "v1 is deprecated"'),
        (b"retry-after", b"1"),
        (b"x-kubernetes-pf-flowschema-uid", b"a"),
        (b"x-kubernetes-pf-prioritylevel-uid", b"b"),
    ]
    assert response_headers(200, answer) == answer
    assert response_headers(429, [*answer, (b"set-cookie", b"a=b"), (b"www-authenticate", b"Basic")]) == answer


@pytest.mark.threat("12")
@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
def test_a_redirect_is_never_passed_on(status: int) -> None:
    refusal = response_headers(status, [(b"location", b"https://169.254.169.254/latest/meta-data/")])
    assert isinstance(refusal, Refusal) and refusal.status == 502 and "redirect" in refusal.message


@pytest.mark.parametrize("status", [201, 299, 400])
def test_a_place_that_is_told_without_a_redirect_is_only_left_out(status: int) -> None:
    assert response_headers(status, [(b"location", b"https://elsewhere"), (b"etag", b'"x"')]) == [(b"etag", b'"x"')]


def test_not_modified_is_no_redirect() -> None:
    assert response_headers(304, [(b"etag", b'"x"')]) == [(b"etag", b'"x"')]


@pytest.mark.threat("12")
@pytest.mark.parametrize(
    "name",
    [
        b"location", b"refresh", b"alt-svc", b"content-location", b"set-cookie", b"set-cookie2", b"www-authenticate", b"authentication-info",
        b"proxy-authenticate", b"proxy-authentication-info", b"proxy-authorization", b"clear-site-data", b"strict-transport-security",
        b"expect-ct", b"public-key-pins", b"nel", b"report-to", b"reporting-endpoints", b"server", b"service-worker-allowed",
        b"access-control-allow-origin", b"access-control-allow-credentials", b"access-control-allow-headers", b"access-control-allow-methods",
        b"access-control-allow-private-network", b"access-control-expose-headers", b"access-control-max-age", b"x-accel-redirect",
        b"x-accel-buffering", b"x-accel-charset", b"x-accel-expires", b"x-accel-limit-rate", b"x-lighttpd-send-file", b"x-reproxy-url",
        b"x-sendfile", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings",
    ],
)  # fmt: skip
def test_an_answer_cannot_steer_the_client_or_the_servers_before_the_gate(name: bytes) -> None:
    assert response_headers(201, [(b"content-type", b"a/b"), (name, b"https://elsewhere")]) == [(b"content-type", b"a/b")]


def test_what_the_clusters_connection_names_is_of_that_hop() -> None:
    answer = [
        (b"connection", b"close, X-Hop"),
        (b"x-hop", b"1"),
        (b"x-end", b"2"),
        (b"keep-alive", b"timeout=5"),
        (b"transfer-encoding", b"chunked"),
    ]
    assert response_headers(200, answer) == [(b"x-end", b"2")]
    assert response_headers(200, [*answer, (b"connection", b"keep-alive")]) == [(b"x-end", b"2")]


OF_THIS_HOP = {b"connection", b"keep-alive", b"location", b"te"}


@given(
    st.sampled_from([200, 304, 302]),
    st.lists(
        st.tuples(
            st.sampled_from([b"connection", b"keep-alive", b"location", b"te", b"x-a", b"close", b"etag"]),
            st.sampled_from([b"keep-alive", b"Keep-Alive", b"close", b"X-A , etag", b"keep-alive,x-a", b""]),
        ),
        max_size=6,
    ),
)
def test_an_answers_fields_pass_but_for_those_of_this_hop(status: int, answer: Headers) -> None:
    said = {option.strip().lower() for name, value in answer if name == b"connection" for option in value.split(b",")}
    passed = response_headers(status, answer)
    if 300 <= status < 400 and any(name == b"location" for name, _ in answer):
        assert isinstance(passed, Refusal)
    else:
        assert passed == [field for field in answer if field[0] not in OF_THIS_HOP | said]
