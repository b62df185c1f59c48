"""What a matcher is asked about: one request, whole."""

from __future__ import annotations

from typing import NamedTuple

from kgate.model import Action, Context, Identity


class Question(NamedTuple):
    """Who asks for what, where and when."""

    identity: Identity
    action: Action
    context: Context
