"""The cluster that a target means, the short way and as it is written down: NAME ends at the next slash or where the query begins."""

from __future__ import annotations

import re
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from kgate.exchange.routes import Route, Routes
from kgate.model import Cluster

ROUTES = {name: Route(Cluster(name.decode()), cast("Any", None)) for name in (b"dev", b"prod-eu")}
FOUND = re.compile(rb"/clusters/([^/?]*)(.*)", re.DOTALL)
TARGETS = st.lists(st.sampled_from([b"/clusters/", b"dev", b"prod-eu", b"/", b"?", b"api", b"x"]), max_size=7).map(b"".join)


@given(TARGETS)
def test_by_path(target: bytes) -> None:
    plain = FOUND.match(target)
    route = ROUTES.get(plain[1]) if plain is not None else None
    found = Routes(ROUTES, {}).find(b"gate.example.com", target)
    if plain is None or route is None:
        assert found is None
    else:
        assert found == (route, plain[2] if plain[2].startswith(b"/") else b"/" + plain[2])


@given(TARGETS)
def test_by_host(target: bytes) -> None:
    routes = Routes({}, {b"dev.example.com": ROUTES[b"dev"]})
    assert routes.find(b"Dev.example.com:443", target) == (ROUTES[b"dev"], target)
    assert routes.is_cluster_host(b"Dev.example.com") and not routes.is_cluster_host(b"gate.example.com")
