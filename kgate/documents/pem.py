"""PEM text (RFC 7468) taken apart."""

from __future__ import annotations

import re

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def certificates_in(text: str) -> list[str]:
    """Each certificate of a bundle, as PEM text of its own."""
    return _CERTIFICATE.findall(text)
