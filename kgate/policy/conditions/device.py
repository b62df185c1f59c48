"""``device: {compliant: true, posture: {os: [linux, macos]}}``: what is known of the machine that the caller sits at.

An unknown device is neither compliant nor not, and what its inventory does not say is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from kgate.documents.globs import Words
from kgate.documents.values import Unacceptable, accept
from kgate.model import Ground
from kgate.policy.details import shown
from kgate.policy.question import Question


@frozen
class DeviceState:
    """All that is asked must hold."""

    compliant: bool | None = None
    posture: Mapping[str, Words] | None = None
    ground = Ground.DEVICE

    def __attrs_post_init__(self) -> None:
        asked = self.compliant is not None or self.posture
        accept(None if asked else Unacceptable("asks nothing", "write compliant: true, or posture"))

    def holds(self, asked: Question) -> bool | None:
        """Whether the inventory says the same; None where nothing is known of the device."""
        device = asked.identity.device
        if device is None:
            return None
        answers = [None if device.compliant is None else device.compliant is self.compliant] if self.compliant is not None else []
        answers += [words.matches(known) if (known := dict(device.posture).get(key)) else None for key, words in self._posture]
        return False if False in answers else None if None in answers else True

    def edge(self, asked: Question) -> float | None:
        """Never by itself: news of a device are a change."""
        return None

    def miss(self, asked: Question) -> str:
        """What is known."""
        device = asked.identity.device
        if device is None:
            return "no device is known"
        if self.compliant is not None and device.compliant is None:
            return f"nothing is known of device {shown(device.name)}"
        if self.compliant is not None and device.compliant is not self.compliant:
            return f"device {shown(device.name)} is {'' if device.compliant else 'not '}compliant"
        return next((text for key, words in self._posture if (text := _unfit(device.name, dict(device.posture), key, words))), "")

    def hit(self, asked: Question) -> str:
        """That it is so, for an ``unless``."""
        device = asked.identity.device
        if device is None or self.holds(asked) is not True:
            return self.miss(asked)
        if self.compliant is None:
            return f"device {shown(device.name)} has {', '.join(f'{key} {words}' for key, words in self._posture)}"
        return f"device {shown(device.name)} is {'' if device.compliant else 'not '}compliant"

    @property
    def _posture(self) -> tuple[tuple[str, Words], ...]:
        return tuple((self.posture or {}).items())


def _unfit(name: str, posture: dict[str, str], key: str, words: Words) -> str:
    known = posture.get(key)
    if not known:
        return f"{key} of device {shown(name)} is not known"
    return "" if words.matches(known) else f"{key} of device {shown(name)} is {shown(known)}, not {words}"
