"""What can go wrong in wire/ that is nobody's fault but ours.

A peer's mistake is never an exception that leaves an engine: it is ``ConnectionFailed`` or ``StreamReset``.
"""

from __future__ import annotations


class LocalProtocolError(Exception):
    """kgate asked an engine for something that its protocol does not allow: a bug in kgate, never to be caught and gone on from."""
