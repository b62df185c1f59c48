"""The Huffman code of HPACK (RFC 7541, appendix B), read a byte at a time.

The code is *canonical*: symbols of equal length have consecutive codes in the symbols' own order, and shorter codes come first. So the
lengths alone say everything, and the table below is all there is to the code; 256 is EOS, which never appears in a string.

Reading it bit by bit costs eight steps a byte. Instead the tree's inner nodes are taken as the states of an automaton that eats a whole
byte: one table says at which node the byte leaves us, another which symbols were completed on the way (a code has at least five bits,
so at most two). A row is made when its state is first met: 256 rows at the most, whatever a peer sends, and in practice far fewer.

A string may end with up to seven bits of padding, all of them ones (the beginning of EOS, section 5.2): so the states in which a string
may end are the first eight nodes down the tree's all-ones side.
"""

from __future__ import annotations

from typing import Final

_EOS: Final = 256
_BY_LENGTH: Final[dict[int, tuple[int, ...]]] = {
    5: tuple(b"012aceiost"),
    6: tuple(b" %-./3456789=A_bdfghlmnpru"),
    7: tuple(b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    8: tuple(b"&*,;XZ"),
    10: tuple(b'!"()?'),
    11: tuple(b"'+|"),
    12: tuple(b"#>"),
    13: tuple(b"\x00$@[]~"),
    14: tuple(b"^}"),
    15: tuple(b"<`{"),
    19: (92, 195, 208),
    20: (128, 130, 131, 162, 184, 194, 224, 226),
    21: (153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230),
    22: (129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228, 232, 233),
    23: (
        *(1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174, 175, 180, 182, 183, 188, 191),
        *(197, 231, 239),
    ),
    24: (9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237),
    25: (199, 207, 234, 235),
    26: (192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255),
    27: (203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252, 253, 254),
    28: (*range(2, 9), 11, 12, *range(14, 22), *range(23, 32), 127, 220, 249),
    30: (10, 13, 22, _EOS),
}

_ROOT: Final = 0
_DEAD: Final = 256
"""The state after EOS, one past the tree's 256 inner nodes: no string may hold it."""


def _codes() -> list[tuple[int, int, int]]:
    """``(symbol, code, length)`` of every symbol, by the canonical rule."""
    codes, code, previous = [], 0, 0
    for length, symbols in _BY_LENGTH.items():
        code <<= length - previous
        previous = length
        for symbol in symbols:
            codes.append((symbol, code, length))
            code += 1
    return codes


def _tree() -> list[list[int]]:
    """Inner nodes as ``[where 0 leads, where 1 leads]``: a node's number, or ``~symbol`` at a leaf."""
    nodes = [[0, 0]]
    for symbol, code, length in _codes():
        node = _ROOT
        for shift in range(length - 1, 0, -1):
            bit = code >> shift & 1
            if not nodes[node][bit]:
                nodes.append([0, 0])
                nodes[node][bit] = len(nodes) - 1
            node = nodes[node][bit]
        nodes[node][code & 1] = ~symbol
    return nodes


_TREE: Final = _tree()
_AFTER: Final[list[tuple[int, ...]]] = [()] * _DEAD
"""By state and byte, the state after it; rows are made when they are needed, and are empty until then."""
_TEXT: Final[list[tuple[bytes, ...]]] = [()] * _DEAD
"""By state and byte, the symbols that it completes."""


def _step(state: int, byte: int) -> tuple[int, bytes]:
    symbols = bytearray()
    for shift in range(7, -1, -1):
        state = _TREE[state][byte >> shift & 1]
        if state < 0:
            if ~state == _EOS:
                return _DEAD, b""
            symbols.append(~state)
            state = _ROOT
    return state, bytes(symbols)


def _new_row(state: int) -> tuple[int, ...]:
    steps = [_step(state, byte) for byte in range(256)]
    _TEXT[state] = tuple([text for _, text in steps])
    row = _AFTER[state] = tuple([after for after, _ in steps])
    return row


def _endings() -> frozenset[int]:
    states, node = {_ROOT}, _ROOT
    for _ in range(7):
        node = _TREE[node][1]
        states.add(node)
    return frozenset(states)


_ENDINGS: Final = _endings()


def decode(data: bytes) -> bytes | None:
    """The string that ``data`` codes, or None where it holds EOS, or padding that is too long or not all ones (RFC 7541, 5.2)."""
    pieces: list[bytes] = []
    state = _ROOT
    for place in range(len(data)):  # compiled, an index costs less than an iterator
        row = _AFTER[state] or _new_row(state)
        byte = data[place]
        pieces.append(_TEXT[state][byte])
        state = row[byte]
        if state == _DEAD:
            return None
    return b"".join(pieces) if state in _ENDINGS else None
