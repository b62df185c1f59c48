"""``device: {compliant: true}``: what is known of the machine that the caller sits at. An unknown device is neither compliant nor not."""

from __future__ import annotations

from attrs import frozen

from kgate.model import Ground
from kgate.policy.question import Question


@frozen
class DeviceState:
    """``compliant`` as the device inventory says it."""

    compliant: bool
    ground = Ground.DEVICE

    def holds(self, asked: Question) -> bool | None:
        """Whether the inventory says the same; None where nothing is known of the device."""
        known = asked.identity.device.compliant if asked.identity.device is not None else None
        return None if known is None else known is self.compliant

    def edge(self, asked: Question) -> float | None:
        """Never by itself."""
        return None

    def miss(self, asked: Question) -> str:
        """What is known."""
        if asked.identity.device is None:
            return "no device is known"
        if asked.identity.device.compliant is None:
            return f"nothing is known of device {asked.identity.device.name}"
        return self.hit(asked)

    def hit(self, asked: Question) -> str:
        """What it is."""
        if asked.identity.device is None or asked.identity.device.compliant is None:
            return self.miss(asked)
        return f"device {asked.identity.device.name} is {'' if asked.identity.device.compliant else 'not '}compliant"
