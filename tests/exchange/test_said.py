"""What a connection remembers of its last request's fields is what the fields say, and what goes upstream is the same with and without it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kgate.exchange.said import Said
from kgate.kube.credentials import bearer_token
from kgate.kube.headers import inbound_refusal, upstream_headers
from kgate.kube.impersonation import impersonation_request
from kgate.kube.refusal import Headers, Refusal
from kgate.model import Action, Cluster, Impersonation
from kgate.wire.events import RequestHead
from kgate.wire.http2 import ClientConnection, Http2Limits

LIST = Action(Cluster("dev"), "GET", "list", "/api/v1/pods", "/api/v1/pods", resource="pods")
NAMES = st.sampled_from(
    [
        b"accept",
        b"user-agent",
        b"authorization",
        b"impersonate-user",
        b"impersonate-group",
        b"kubectl-command",
        b"cookie",
        b"x-remote-user",
        b"te",
    ]
)
VALUES = st.sampled_from([b"Bearer a", b"Bearer b", b"alice", b"kubectl/v1.32", b"\xff", b"", b"system:masters"])
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=5)
NAMED = st.builds(Impersonation, st.sampled_from(["alice", "bob"]), st.lists(st.sampled_from(["view", "dev"]), unique=True).map(tuple))


@given(FIELDS)
def test_the_fields_mean_what_each_reader_says(headers: Headers) -> None:
    said = Said.by(headers)
    assert said.bearer == (inbound_refusal(headers) or bearer_token(headers))
    assert said.impersonation == impersonation_request(headers)
    assert [said.user_agent.encode("utf-8", "replace")] == [
        value.decode("utf-8", "replace").encode() for name, value in headers if name == b"user-agent"
    ][-1:] or not said.user_agent


@given(FIELDS, st.lists(st.tuples(NAMED, st.none() | st.sampled_from([b"old", b"new"])), min_size=1, max_size=5))
def test_what_goes_upstream_is_what_the_plain_way_makes(headers: Headers, asked: list[tuple[Impersonation, bytes | None]]) -> None:
    said = Said.by(headers)
    if isinstance(said.bearer, Refusal):
        return
    for impersonate, bearer in asked:
        shared = said.upstream(impersonate, bearer)
        assert [*shared.fields, (b"audit-id", b"1")] == upstream_headers(LIST, headers, impersonate, b"1", bearer)


@given(FIELDS)
def test_shared_fields_look_the_same_on_the_wire(headers: Headers) -> None:
    shared = Said.by(headers).upstream(Impersonation("alice", ("view",)), b"token")
    one, other = (ClientConnection(Http2Limits(), lambda: 0.0) for _ in range(2))
    for number in range(3):
        fields = [*shared.fields, (b"audit-id", b"%d" % number)]
        one.open(RequestHead(b"GET", b"/", b"a", fields, shared), True)
        other.open(RequestHead(b"GET", b"/", b"a", fields), True)
    assert one.data_to_send() == other.data_to_send()
