"""One notation each: durations, sizes, instants, networks, addresses, names, URLs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kgate.documents import values
from kgate.documents.values import Unacceptable

GOOD: list[tuple[Callable[[str], object], str, object]] = [
    (values.duration, "30s", 30.0),
    (values.duration, "1h 15m", 4500.0),
    (values.duration, "250ms", 0.25),
    (values.duration, "7d", 604800.0),
    (values.size, "1GiB", 2**30),
    (values.size, "64 KiB", 65536),
    (values.size, "1B", 1),
    (values.instant, "2027-01-01T00:00:00Z", 1798761600.0),
    (values.instant, "2027-01-01T01:00:00.5+01:00", 1798761600.5),
    (values.address, "0.0.0.0:8443", ("0.0.0.0", 8443)),
    (values.address, "[::1]:0", ("::1", 0)),
    (values.host_name, "kube.example.com", "kube.example.com"),
    (values.https_url, "https://kube.example.com:8443/", "https://kube.example.com:8443"),
    (values.https_url, "https://[::1]:6443/k8s/clusters/c-1", "https://[::1]:6443/k8s/clusters/c-1"),
]
BAD: list[tuple[Callable[[str], object], str]] = [
    *((values.duration, text) for text in ("", "5", "1.5h", "1 h", "1h15m", "0s", "-1s", "1w", "99999999d", "١s")),
    *((values.size, text) for text in ("", "5", "1GB", "1.5GiB", "0B", "-1B", "1  KiB", "1kib")),
    *(
        (values.instant, text)
        for text in ("", "2027-01-01", "2027-01-01T00:00:00", "2027-13-01T00:00:00Z", "2027-02-30T00:00:00Z", "tomorrow")
    ),
    *((values.network, text) for text in ("", "10.0.0.1/8", "10.0.0.0/33", "10.0.0", "host", "2001:db8::1/32", "10.0.0.0/255.0.0.x")),
    *(
        (values.address, text)
        for text in ("", "8443", "0.0.0.0", "localhost:1", "::1:8443", "0.0.0.0:65536", "0.0.0.0:x", "[10.0.0.1]:1", "1.2.3.4:")
    ),
    *(
        (values.host_name, text)
        for text in ("", "Kube.example.com", "https://kube", "kube:8443", "-a", "a..b", "a" * 64, "kube.example.com.")
    ),
    *(
        (values.https_url, text)
        for text in ("", "http://a", "https://", "kube:8443", "https://a:b", "https://a:0", "https://u@a", "https://a/?q", "https://a#f")
    ),
    *((values.https_url, text) for text in ("https://a b", "https://a\n", "https://a:99999", "https://[::1", "https://ä.example")),
]


@pytest.mark.parametrize(("parse", "text", "value"), GOOD)
def test_good(parse: Callable[[str], object], text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(("parse", "text"), BAD)
def test_bad(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(Unacceptable):
        parse(text)


def test_a_network_with_host_bits_is_a_slip_and_the_hint_says_which() -> None:
    with pytest.raises(Unacceptable) as caught:
        values.network("10.1.2.3/8")
    assert caught.value.hint == "did you mean 10.0.0.0/8?"
    assert str(values.network("10.1.2.3")) == "10.1.2.3/32"


def test_a_path_is_refused_where_none_may_be() -> None:
    with pytest.raises(Unacceptable, match="has a path"):
        values.https_url("https://kube.example.com/x", path=False)
