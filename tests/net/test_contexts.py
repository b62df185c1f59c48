"""TLS contexts of what people have in their files."""

from __future__ import annotations

import tempfile

import pytest

from kgate.demo.certificates import Authority
from kgate.errors import KgateError
from kgate.net.contexts import client_context

AUTHORITY = Authority("kgate tests", 1_790_000_000.0).certificate


@pytest.mark.parametrize(
    "before", ["# T\u00dcRKTRUST, Ankara\n", "\ufeff", "Subject: CN=Főtanúsítvány\r\n"], ids=["a comment", "a BOM", "text"]
)
def test_a_bundle_may_say_in_any_language_whose_it_is(before: str) -> None:
    """As many a company's does, and Mozilla's own once did. It is decoded as a cluster's is."""
    context = client_context((before.encode() + AUTHORITY).decode("ascii", "replace"))
    assert len(context.get_ca_certs()) == 1


def test_a_bundle_without_a_certificate_is_none() -> None:
    with pytest.raises(KgateError, match="cannot be used"):
        client_context("# \u00dc\n")


def test_a_client_certificate_needs_no_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's file system may be read-only."""
    pair = Authority("kgate tests", 1_790_000_000.0).client("gate")
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    client_context(AUTHORITY.decode(), pair.certificate, pair.key)
