"""The gate's pages as HTML: templates with everything escaped, one style sheet, no script at all.

The Content-Security-Policy allows what these pages have and nothing else, so that even a mistake in a template runs no code and sends no form anywhere.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from kgate.exchange.local import LocalResponse

if TYPE_CHECKING:
    from jinja2 import Environment

POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"


def page(template: str, status: int = 200, *headers: tuple[str, str], **values: object) -> LocalResponse:
    """A page made from ``template``."""
    body = _templates().get_template(f"{template}.html").render(values).encode()
    return LocalResponse(
        status,
        (
            ("content-type", "text/html; charset=utf-8"),
            ("content-security-policy", POLICY),
            ("x-frame-options", "DENY"),
            # With no-referrer a browser would send "Origin: null" with the pages' own forms.
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            *headers,
        ),
        body,
    )


_KINDS = {"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}


def part(name: str) -> LocalResponse:
    """The style sheet or the icon."""
    return LocalResponse(200, (("content-type", _KINDS[name]), ("cache-control", "max-age=3600")), _file(name))


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # with the first page: a start need not wait for it

    return Environment(loader=PackageLoader("kgate.api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


@cache
def _file(name: str) -> bytes:
    return files("kgate.api").joinpath("templates", name).read_bytes()
