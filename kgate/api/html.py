"""The gate's pages as HTML: templates with everything escaped, one style sheet, no script at all.

The Content-Security-Policy allows what these pages have and nothing else, so that even a mistake in a template runs no code and sends no form anywhere.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from kgate.exchange.local import LocalResponse

POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"


def page(
    template: str, status: int = 200, *headers: tuple[str, str], form_origins: tuple[str, ...] = (), **values: object
) -> LocalResponse:
    """A page made from ``template``. ``form_origins`` are where its forms' answers may redirect to: Chromium holds form-action against those too."""
    body = _templates().get_template(f"{template}.html").render(values).encode()
    policy = " ".join((POLICY, *form_origins))
    return LocalResponse(
        status,
        (
            ("content-type", "text/html; charset=utf-8"),
            ("content-security-policy", policy),
            ("x-frame-options", "DENY"),
            # With no-referrer a browser would send "Origin: null" with the pages' own forms.
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            *headers,
        ),
        body,
    )


def style_sheet() -> LocalResponse:
    """The one style sheet."""
    return LocalResponse(200, (("content-type", "text/css; charset=utf-8"), ("cache-control", "max-age=3600")), _style())


@cache
def _templates() -> Environment:
    return Environment(loader=PackageLoader("kgate.api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


@cache
def _style() -> bytes:
    return files("kgate.api").joinpath("templates", "style.css").read_bytes()
