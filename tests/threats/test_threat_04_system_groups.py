"""Class 04: groups of the cluster's own from outside, and one impersonation inside another."""

from __future__ import annotations

import pytest
from arena import Arena

pytestmark = pytest.mark.threat("04")


@pytest.mark.parametrize(
    "lines",
    [
        [b"Impersonate-User: bob"],
        [b"Impersonate-User: alice", b"Impersonate-Group: system:masters"],
        [b"Impersonate-User: system:serviceaccount:kube-system:default"],
        [b"Impersonate-Group: system:masters"],
        [b"Impersonate-User: "],
    ],
)
def test_kubectl_as_is_refused_where_no_rule_grants_it(arena: Arena, lines: list[bytes]) -> None:
    assert arena.get(b"/api/v1/pods", *lines) in (400, 403)
    assert arena.cluster.heads == []
