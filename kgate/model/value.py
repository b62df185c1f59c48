"""What a value of the vocabulary is that every request makes or asks: the plainest of classes, which compiled costs a tenth of an attrs class."""

from __future__ import annotations

from typing import Any, ClassVar


class Value:
    """A value that is nothing but its ``PARTS``: equal, hashed and shown by them, made once and never changed.

    Its attributes are Final: the type checker holds everybody to it, and where it is compiled so does the class itself.
    """

    PARTS: ClassVar[tuple[str, ...]] = ()
    _hash: int = 0

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is type(self) and all(getattr(self, part) == getattr(other, part) for part in self.PARTS))

    def __hash__(self) -> int:
        """Kept, since most of them are asked for it more than once."""
        if not self._hash:
            self._hash = hash(tuple(self.parts().values()))
        return self._hash

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{part}={value!r}' for part, value in self.parts().items())})"

    def parts(self) -> dict[str, Any]:
        """What to make one like it of."""
        return {part: getattr(self, part) for part in self.PARTS}
