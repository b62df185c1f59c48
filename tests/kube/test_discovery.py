"""Which refusals client-go would drop, and what it shows instead: run against client-go by hand, the bytes are these."""

from __future__ import annotations

import pytest

from kgate.kube.discovery import is_dropped, text_is_shown, warning

_AGGREGATED = b"application/json;g=apidiscovery.k8s.io;v=%b;as=APIGroupDiscoveryList"
ACCEPT = b",".join((_AGGREGATED % b"v2", _AGGREGATED % b"v2beta1", b"application/json"))


@pytest.mark.parametrize(
    "target",
    [b"/api", b"/apis", b"/api?timeout=32s", b"/version", b"/openapi/v2?timeout=32s", b"/openapi/v3", b"/openapi/v3/apis/apps/v1?hash=A"],
)
@pytest.mark.parametrize("prefix", [b"", b"/clusters/prod-eu"])
def test_what_client_go_takes_apart_by_itself(prefix: bytes, target: bytes) -> None:
    assert is_dropped(b"GET", prefix + target)


@pytest.mark.parametrize(
    "target",
    [
        b"/api/v1",
        b"/apis/apps/v1",
        b"/api/v1/pods",
        b"/apis/apps",
        b"/versions",
        b"/clusters/prod-eu/x/api",
        b"/kgate/v1/locks",
        b"/openapi/v4",
        b"/",
    ],
)
def test_of_all_else_it_reads_the_status(target: bytes) -> None:
    assert not is_dropped(b"GET", target) and not is_dropped(b"POST", b"/api")


def test_text_is_for_client_go_alone() -> None:
    assert text_is_shown(403, [(b"user-agent", b"kubectl"), (b"accept", ACCEPT)])
    assert not text_is_shown(401, [(b"accept", ACCEPT)])  # client-go's own words, whatever the body
    assert text_is_shown(502, [(b"accept", b"application/json, */*")])
    for accept in (b"application/json", b"*/*", b"text/html,*/*;q=0.8"):
        assert not text_is_shown(403, [(b"accept", accept)])


def test_a_warning_is_one_line_for_all_tries() -> None:
    assert warning('kgate: bob may not get /api: lock "a\\b" on user bob (request 01M8; ask: kgate policy explain 01M8)') == (
        b'299 kgate "kgate: bob may not get /api: lock \\"a\\\\b\\" on user bob"'
    )
    assert warning("kgate: \u00e4") == '299 kgate "kgate: \u00e4"'.encode()
