"""What an exec credential plugin may print."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kgate.kube.execplugin import ExecCredential, ExecPlugin, exec_info, parse_exec_credential

PLUGIN = ExecPlugin("client.authentication.k8s.io/v1", "aws")
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----\n"


def printed(status: Any, **other: Any) -> ExecCredential | str:
    document = {"kind": "ExecCredential", "apiVersion": PLUGIN.api_version, "status": status} | other
    return parse_exec_credential(json.dumps(document).encode(), PLUGIN)


def test_a_token_with_its_expiry() -> None:
    assert printed({"token": "abc", "expirationTimestamp": "2026-11-24T04:00:00Z"}) == ExecCredential("abc", expires=1795492800.0)
    assert printed({"token": "abc"}) == ExecCredential("abc")
    precise = printed({"token": "abc", "expirationTimestamp": "2026-11-24T04:00:00.123456789Z"})  # as Go's and Rust's own notation has it
    assert isinstance(precise, ExecCredential) and precise.expires == pytest.approx(1795492800.123456, rel=0, abs=1e-6)


def test_a_client_certificate() -> None:
    assert printed({"clientCertificateData": CERTIFICATE, "clientKeyData": KEY}) == ExecCredential("", CERTIFICATE.encode(), KEY.encode())


@pytest.mark.threat("26")
def test_neither_errors_nor_representations_quote_the_secret() -> None:
    assert "hunter2" not in repr(printed({"token": "hunter2"}))
    for wrong in (printed({"token": "hunter2\n"}), printed("hunter2"), parse_exec_credential(b"token hunter2", PLUGIN)):
        assert isinstance(wrong, str) and "hunter2" not in wrong


@pytest.mark.parametrize(
    ("status", "other", "said"),
    [
        ({}, {}, "neither a token nor a client certificate"),
        (None, {}, "status is missing"),
        ({"token": 1}, {}, "a token that is not text"),
        ({"token": "a b"}, {}, "characters that no token has"),
        ({"clientCertificateData": CERTIFICATE}, {}, "without its key"),
        ({"clientCertificateData": "x", "clientKeyData": "y"}, {}, "not PEM"),
        ({"token": "a", "expirationTimestamp": "tomorrow"}, {}, "not an RFC 3339 instant"),
        ({"token": "a"}, {"kind": "Pod"}, "did not print an ExecCredential"),
        ({"token": "a"}, {"apiVersion": "client.authentication.k8s.io/v1beta1"}, "did not answer in client.authentication.k8s.io/v1"),
    ],
)
def test_what_is_no_credential_says_why(status: Any, other: dict[str, Any], said: str) -> None:
    answer = printed(status, **other)
    assert isinstance(answer, str) and said in answer


def test_there_is_an_end_to_what_it_may_print() -> None:
    assert "more than 1024 KiB" in str(parse_exec_credential(b" " * (1024 * 1024 + 1), PLUGIN))
    assert "JSON" in str(parse_exec_credential(b"", PLUGIN)) and "ExecCredential" in str(parse_exec_credential(b"[]", PLUGIN))


def test_a_plugin_that_does_not_ask_is_not_told_about_the_cluster() -> None:
    info = json.loads(exec_info(PLUGIN, {"server": "https://h"}))
    assert info == {"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "spec": {"interactive": False}}
