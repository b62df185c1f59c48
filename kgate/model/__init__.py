"""The vocabulary: frozen values that every other part of kgate speaks in.

Nothing here does anything. A value that crosses from one folder to another is defined here or in the folder that makes it, never in
both. All are hashable, so that a decision can be cached under everything that went into it. What every request makes or asks is a ``Value``, compiled;
``value.but(part=…)`` is another that differs in that. What is made seldom is an attrs class.

Times are Unix seconds (float, UTC) unless a name says otherwise; durations are seconds; sizes are bytes.
"""

from kgate.model.copies import is_copy
from kgate.model.decisions import Cause, Decision, Ending, Ground, Limits, Pending, Reason, Recording
from kgate.model.locks import Lock
from kgate.model.people import Device, Identity, Impersonation, Pairs
from kgate.model.requests import GRANTED_BY_NAME, RECORDED, Action, Cluster, Context, Fact, Grant, Operation
from kgate.model.roll_call import Present, RollCall
from kgate.model.streams import Stream

__all__ = [
    "GRANTED_BY_NAME",
    "RECORDED",
    "Action",
    "Cause",
    "Cluster",
    "Context",
    "Decision",
    "Device",
    "Ending",
    "Fact",
    "Grant",
    "Ground",
    "Identity",
    "Impersonation",
    "Limits",
    "Lock",
    "Operation",
    "Pairs",
    "Pending",
    "Present",
    "Reason",
    "Recording",
    "RollCall",
    "Stream",
    "is_copy",
]
