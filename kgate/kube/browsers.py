"""What a page of another site has somebody's browser send.

A browser shows a client certificate with whatever any page asks it for: the person chose the certificate once, for the host, and is not asked again. So
the certificate does not say that the person wanted this: a page anywhere could open a shell by WebSocket, which no CORS holds back, or write an object
that says nothing of its type. A token is different: no browser adds one by itself.

Which page it was, browsers say, and no page can say otherwise (Fetch Metadata, ``Sec-Fetch-*``; before that ``Origin``, RFC 6454). What is let pass is
what cookies with ``SameSite=Lax`` would be sent with: the gate's own pages, the address bar, and following a link.

``kubectl proxy`` hands on what a browser says, and adds X-Forwarded-For, which no page of another site can; the certificate is kubectl's then.
"""

from __future__ import annotations

from typing import Final

from kgate.documents.values import origin
from kgate.kube.refusal import Headers

_TELLING: Final = frozenset({b"origin", b"sec-fetch-site"})
_ELSEWHERE: Final = frozenset({b"cross-site", b"same-site"})
"""A site is a registrable domain: another host of the company is another origin, and maybe anybody's."""


def from_browser(headers: Headers) -> bool:
    """Whether a browser sent these: it says for which page, if for any."""
    names = {name for name, _ in headers}
    return not names.isdisjoint(_TELLING) and b"x-forwarded-for" not in names


def from_another_site(method: bytes, authority: bytes, headers: Headers) -> bool:
    """Whether a page of another origin than ``authority`` had this sent, other than by a link that somebody followed."""
    said = dict(headers)
    site = said.get(b"sec-fetch-site")
    if site is None:
        return _origin_of(said.get(b"origin", b"")) != _origin_of(b"https://" + authority)
    return site in _ELSEWHERE and not _follows_link(method, said)


def _follows_link(method: bytes, said: dict[bytes, bytes]) -> bool:
    return method == b"GET" and said.get(b"sec-fetch-mode") == b"navigate" and said.get(b"sec-fetch-dest") == b"document"


def _origin_of(url: bytes) -> str:
    """As browsers write it; what is no origin, ``null`` for one, is nobody's but its own."""
    text = url.decode("latin-1")
    try:
        return origin(text) if text.lower().startswith("https://") else text
    except ValueError:
        return text
