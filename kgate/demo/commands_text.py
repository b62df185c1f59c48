"""Commands that pass text or bytes on: echo, cat, head, tail, wc, grep, sort, seq, yes, checksums … All of them stream what can be streamed."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import AsyncIterator

from kgate.demo.files import Device, FileProblem
from kgate.demo.pipes import CAPACITY, Nothing, Reader, Text, Zeros
from kgate.demo.runs import Program, Run


def options(words: list[str], valued: str = "") -> tuple[dict[str, str], list[str]]:
    """Single-letter options and the rest. Those in ``valued`` take a value, joined or as the next word."""
    found: dict[str, str] = {}
    rest = words[1:]
    while rest and rest[0].startswith("-") and len(rest[0]) > 1:
        word = rest.pop(0)
        if word == "--":
            break
        for at, letter in enumerate(word[1:], 1):
            if letter in valued:
                found[letter] = word[at + 1 :] or (rest.pop(0) if rest else "")
                break
            found[letter] = ""
    return found, rest


def source(run: Run, name: str) -> Reader:
    """The input of that name; ``-`` is stdin. Raises FileProblem."""
    if name == "-":
        return run.stdin
    node = run.files.find(run.path(name))
    if isinstance(node, Device):
        return Zeros() if node.endless else Nothing()
    try:
        return Text(run.files.read(run.path(name)))
    except FileProblem as problem:
        raise FileProblem(f"can't open '{name}': {problem}") from problem


async def pieces(run: Run, reader: Reader) -> AsyncIterator[bytes]:
    """What ``reader`` gives until its end."""
    while piece := await reader.read(CAPACITY):
        await run.machine.breathe()
        yield piece


async def lines(run: Run, reader: Reader) -> AsyncIterator[bytes]:
    """The lines that ``reader`` gives, with their newlines."""
    while line := await reader.read_line():
        await run.machine.breathe()
        yield line


_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\r": "\r", "\\\\": "\\", "\\e": "\x1b", "\\a": "\a", "\\0": "\0"}


def _unescaped(text: str) -> str:
    return re.sub(r"\\[ntr\\ea0]", lambda found: _ESCAPES[found[0]], text)


async def echo(run: Run, words: list[str]) -> int:
    """``echo [-n] [-e] TEXT…``."""
    rest = words[1:]
    flags = ""
    while rest and re.fullmatch(r"-[neE]+", rest[0]):
        flags += rest.pop(0)
    text = " ".join(rest)
    await run.stdout.write((_unescaped(text) if "e" in flags else text).encode() + (b"" if "n" in flags else b"\n"))
    return 0


async def printf(run: Run, words: list[str]) -> int:
    """``printf FORMAT [ARGUMENT…]`` with ``%s %d %%``; the format is used again while arguments are left."""
    if len(words) < 2:
        return await run.complain("usage: printf FORMAT [ARGUMENT...]")
    form, rest = _unescaped(words[1]), words[2:]
    while True:
        before = len(rest)
        await run.stdout.write(re.sub(r"%%|%-?\d*[sd]", lambda found: _conversion(found[0], rest), form).encode())
        await run.machine.breathe()
        if not rest or len(rest) == before:
            return 0


def _conversion(form: str, arguments: list[str]) -> str:
    """One ``%…`` of a format, which takes the next argument."""
    if form == "%%":
        return "%"
    value = arguments.pop(0) if arguments else ""
    return form % (value if form.endswith("s") else int(value) if value.lstrip("-").isdigit() else 0)


async def cat(run: Run, words: list[str]) -> int:
    """``cat [FILE…]``."""
    status = 0
    for name in words[1:] or ["-"]:
        try:
            reader = source(run, name)
        except FileProblem as problem:
            status = await run.complain(f"cat: {problem}")
            continue
        async for piece in pieces(run, reader):
            await run.stdout.write(piece)
    return status


def _count(text: str, default: int) -> int:
    """``10``, ``1K``, ``2M``."""
    found = re.fullmatch(r"[+-]?(\d+)([kKmMgG]?)", text or str(default))
    if not found:
        raise FileProblem(f"invalid number '{text}'")
    return int(found[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[found[2].lower()]


def _dashed_number(words: list[str]) -> list[str]:
    """``head -3`` is ``head -n 3``."""
    return [words[0], *(["-n", words[1][1:], *words[2:]] if len(words) > 1 and re.fullmatch(r"-\d+", words[1]) else words[1:])]


async def head(run: Run, words: list[str]) -> int:
    """``head [-n LINES | -c BYTES] [FILE…]``."""
    found, names = options(_dashed_number(words), "nc")
    for name in names or ["-"]:
        reader, left = source(run, name), _count(found.get("c", found.get("n", "")), 10)
        while left > 0:
            piece = await reader.read(min(left, CAPACITY)) if "c" in found else await reader.read_line()
            if not piece:
                break
            left -= len(piece) if "c" in found else 1
            await run.stdout.write(piece)
            await run.machine.breathe()
    return 0


async def tail(run: Run, words: list[str]) -> int:
    """``tail [-n [+]LINES | -c [+]BYTES] [FILE…]``."""
    found, names = options(_dashed_number(words), "nc")
    wanted = found.get("c", found.get("n", ""))
    count = _count(wanted, 10)
    for name in names or ["-"]:
        if wanted.startswith("+"):
            await _from(run, source(run, name), count, "c" in found)
        else:
            await _last(run, source(run, name), count, "c" in found)
    return 0


async def _from(run: Run, reader: Reader, first: int, in_bytes: bool) -> None:
    skip = max(first - 1, 0)
    async for piece in pieces(run, reader) if in_bytes else lines(run, reader):
        if skip <= 0:
            await run.stdout.write(piece)
        elif in_bytes:
            await run.stdout.write(piece[skip:])
            skip -= len(piece)
        else:
            skip -= 1


async def _last(run: Run, reader: Reader, count: int, in_bytes: bool) -> None:
    held = bytearray()
    async for piece in pieces(run, reader):
        held += piece
        if in_bytes and len(held) > count + (1 << 20):
            del held[: len(held) - count]
    if in_bytes:
        await run.stdout.write(bytes(held[max(len(held) - count, 0) :]))
    else:
        await run.stdout.write(b"".join(held.splitlines(keepends=True)[-count:] if count else []))


async def wc(run: Run, words: list[str]) -> int:
    """``wc [-lwc] [FILE…]``."""
    found, names = options(words)
    for name in names or ["-"]:
        counts = {"l": 0, "w": 0, "c": 0}
        within = False
        async for piece in pieces(run, source(run, name)):
            counts["l"] += piece.count(b"\n")
            counts["c"] += len(piece)
            if not found or "w" in found:
                counts["w"] += len(piece.split()) - (1 if within and not piece[:1].isspace() else 0)
                within = not piece[-1:].isspace()
        shown = [counts[letter] for letter in "lwc" if letter in found or not found]
        text = str(shown[0]) if len(shown) == 1 else " ".join(f"{number:9}" for number in shown)
        await run.say(text + (f" {name}" if name != "-" else ""))
    return 0


async def checksum(run: Run, words: list[str]) -> int:
    """``sha256sum [FILE…]``, and ``sha1sum``, ``sha512sum``, ``md5sum``."""
    for name in words[1:] or ["-"]:
        digest = hashlib.new(words[0].removesuffix("sum"))
        async for piece in pieces(run, source(run, name)):
            digest.update(piece)
        await run.say(f"{digest.hexdigest()}  {name}")
    return 0


async def grep(run: Run, words: list[str]) -> int:
    """``grep [-ivcqn] PATTERN [FILE…]``; status 1 where nothing matched."""
    found, rest = options(words, "e")
    wanted = found.get("e") or (rest.pop(0) if rest else "")
    try:
        pattern = re.compile(wanted.encode(), re.IGNORECASE if "i" in found else 0)
    except re.error as error:
        await run.complain(f"grep: {wanted}: {error}")
        return 2
    matched = number = 0
    for name in rest or ["-"]:
        async for line in lines(run, source(run, name)):
            number += 1
            if (pattern.search(line.rstrip(b"\n")) is not None) is not ("v" in found):
                matched += 1
                if not {"c", "q"} & found.keys():
                    await run.stdout.write((b"%d:" % number if "n" in found else b"") + line)
    if "c" in found:
        await run.say(str(matched))
    return 0 if matched else 1


async def sort(run: Run, words: list[str]) -> int:
    """``sort [-rnu] [FILE…]``."""
    found, names = options(words)
    held = [line.rstrip(b"\n") for name in names or ["-"] async for line in lines(run, source(run, name))]

    def key(line: bytes) -> tuple[int, bytes]:
        number = re.match(rb"\s*(-?\d+)", line)
        return (int(number[1]) if "n" in found and number else 0), line

    ordered = sorted(set(held) if "u" in found else held, key=key, reverse="r" in found)
    await run.stdout.write(b"".join(line + b"\n" for line in ordered))
    return 0


async def uniq(run: Run, words: list[str]) -> int:
    """``uniq [-c]``."""
    found, names = options(words)
    last, count = None, 0
    async for line in lines(run, source(run, names[0] if names else "-")):
        if line == last:
            count += 1
            continue
        if last is not None:
            await run.stdout.write((b"%7d " % count if "c" in found else b"") + last)
        last, count = line, 1
    if last is not None:
        await run.stdout.write((b"%7d " % count if "c" in found else b"") + last)
    return 0


async def tee(run: Run, words: list[str]) -> int:
    """``tee [-a] FILE…``."""
    found, names = options(words)
    files = [run.files.open(run.path(name), append="a" in found) for name in names]
    async for piece in pieces(run, run.stdin):
        for file in files:
            run.files.extend(file, piece)
        await run.stdout.write(piece)
    return 0


async def encode(run: Run, words: list[str]) -> int:
    """``base64 [-d] [FILE]``."""
    found, names = options(words)
    data = b"".join([piece async for piece in pieces(run, source(run, names[0] if names else "-"))])
    if "d" in found:
        await run.stdout.write(base64.b64decode(data))
    else:
        await run.stdout.write(base64.encodebytes(data) if data else b"")
    return 0


async def seq(run: Run, words: list[str]) -> int:
    """``seq [FIRST [STEP]] LAST``."""
    try:
        numbers = [int(word) for word in words[1:]]
    except ValueError:
        return await run.complain("seq: invalid number")
    if not 1 <= len(numbers) <= 3 or (len(numbers) == 3 and not numbers[1]):
        return await run.complain("usage: seq [FIRST [STEP]] LAST")
    first, step = numbers[0] if len(numbers) > 1 else 1, numbers[1] if len(numbers) == 3 else 1
    everything = range(first, numbers[-1] + (1 if step > 0 else -1), step)
    for start in range(0, len(everything), 1000):
        await run.machine.breathe()
        await run.stdout.write("".join(f"{number}\n" for number in everything[start : start + 1000]).encode())
    return 0


async def yes(run: Run, words: list[str]) -> int:
    """``yes [TEXT]``, until nobody reads."""
    block = (" ".join(words[1:]) or "y").encode() + b"\n"
    block *= max(1, 8192 // len(block))
    while True:
        await run.machine.breathe()
        await run.stdout.write(block)


PROGRAMS: dict[str, Program] = {
    "echo": echo,
    "printf": printf,
    "cat": cat,
    "head": head,
    "tail": tail,
    "wc": wc,
    "md5sum": checksum,
    "sha1sum": checksum,
    "sha256sum": checksum,
    "sha512sum": checksum,
    "grep": grep,
    "sort": sort,
    "uniq": uniq,
    "tee": tee,
    "base64": encode,
    "seq": seq,
    "yes": yes,
}
