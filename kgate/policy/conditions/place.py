"""``country: [DE, FR]`` and ``asn: [64500]``: where the address is, by the gate's own geo data. What the data do not know is unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import frozen

from kgate.documents.globs import Words, words
from kgate.documents.values import Unacceptable
from kgate.model import Ground
from kgate.policy.question import Question

_CODE = re.compile(r"!?([A-Z]{2}|\*)")
_NUMBER = re.compile(r"!?[0-9]{1,10}")


@frozen
class Countries:
    """Countries by their ISO 3166-1 codes."""

    words: Words
    ground = Ground.COUNTRY

    def holds(self, asked: Question) -> bool | None:
        """Whether the address is in one of them."""
        return self.words.matches(asked.context.country) if asked.context.country else None

    def edge(self, asked: Question) -> float | None:
        """Never by itself: new geo data are a change."""
        return None

    def miss(self, asked: Question) -> str:
        """Which country."""
        country = asked.context.country
        return f"country is {country}, not {self.words}" if country else "the country of the address is not known"

    def hit(self, asked: Question) -> str:
        """Which country."""
        return f"country is {asked.context.country or 'not known'}"


def countries(texts: Iterable[str]) -> Countries:
    """Raises Unacceptable for the first that is no country code."""
    texts = tuple(texts)
    if not texts:
        raise Unacceptable("is an empty list", "leave the key out, or name a country")
    for text in texts:
        if not _CODE.fullmatch(text):
            raise Unacceptable(f'has "{text}", which is not a country code', "write two capital letters: DE, FR")
    return Countries(words(texts))


@frozen
class Systems:
    """Autonomous systems by number."""

    words: Words
    ground = Ground.NETWORK

    def holds(self, asked: Question) -> bool | None:
        """Whether the address belongs to one of them."""
        return self.words.matches(str(asked.context.asn)) if asked.context.asn is not None else None

    def edge(self, asked: Question) -> float | None:
        """Never by itself: new geo data are a change."""
        return None

    def miss(self, asked: Question) -> str:
        """Which one."""
        asn = asked.context.asn
        return f"the address is in AS{asn}, not {self.words}" if asn is not None else "the network operator of the address is not known"

    def hit(self, asked: Question) -> str:
        """Which one."""
        asn = asked.context.asn
        return f"the address is in AS{asn}" if asn is not None else "the network operator of the address is not known"


def systems(texts: Iterable[object]) -> Systems:
    """Raises Unacceptable for the first that is no number."""
    written = tuple(str(text) for text in texts if not isinstance(text, bool))
    if not written:
        raise Unacceptable("is an empty list", "leave the key out, or name a number")
    for text in written:
        if not _NUMBER.fullmatch(text) or int(text.removeprefix("!")) >= 2**32:
            raise Unacceptable(f'has "{text}", which is not the number of an autonomous system', 'write 64500, or "!64500" to exclude it')
    return Systems(words(written))
