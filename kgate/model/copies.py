"""Which commands are a copy, not any exec: what ``kubectl cp`` runs in a container."""

from __future__ import annotations

from typing import Final

_COPY_IN: Final = (("tar", "-xmf", "-"), ("tar", "--no-same-permissions", "--no-same-owner", "-xmf", "-"))
_COPY_STARTS: Final = (("tar", "cf", "-"), ("test", "-d"), *((*start, "-C") for start in _COPY_IN))
"""What a path follows that does not begin with a dash."""


def is_copy(command: tuple[str, ...], *, tty: bool) -> bool:
    """Whether an exec is what ``kubectl cp`` runs, to the letter: tar has options that run any program, so nothing else will do.

    kubectl also asks ``test -d DIRECTORY`` before it copies into a pod. With ``--retries`` it wraps tar in a shell; that is exec.
    """
    if tty or command in _COPY_IN:
        return not tty
    *start, place = command or ("",)
    return tuple(start) in _COPY_STARTS and place[:1] not in ("", "-")
