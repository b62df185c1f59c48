"""What this folder's functions share: a head's fields, and the answer where a peer's bytes must not go on."""

from __future__ import annotations

from typing import NamedTuple

Headers = list[tuple[bytes, bytes]]
"""Names in lower case, values without white space around them, in the order in which they came."""


class Refusal(NamedTuple):
    """An HTTP status and one sentence.

    ``message`` is the rest of a line that begins with ``kgate: ``: printable, without a full stop, saying what to do where that helps.
    """

    status: int
    message: str
