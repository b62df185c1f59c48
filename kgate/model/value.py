"""What a value of the vocabulary is that every request makes or asks: the plainest of classes, which compiled costs a tenth of an attrs class."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, ClassVar, Final


class Parts:
    """What values of a kind are made of: two or more ``names``, and ``of(value)``, all of them at once as a tuple."""

    def __init__(self, *names: str) -> None:
        self.names: Final = names
        self.of: Final = attrgetter(*names)


class Value:
    """A value that is nothing but its ``PARTS``: equal, hashed and shown by them, made once and never changed.

    Its attributes are Final: the type checker holds everybody to it, and where it is compiled so does the class itself.
    """

    PARTS: ClassVar[Parts]
    _hash: int = 0

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not type(self):
            return False
        of = self.PARTS.of
        return bool(of(self) == of(other))

    def __hash__(self) -> int:
        """Kept, since most of them are asked for it more than once."""
        if not self._hash:
            self._hash = hash(self.PARTS.of(self))
        return self._hash

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={part!r}' for name, part in self.parts().items())})"

    def parts(self) -> dict[str, Any]:
        """What to make one like it of."""
        return dict(zip(self.PARTS.names, self.PARTS.of(self), strict=True))
