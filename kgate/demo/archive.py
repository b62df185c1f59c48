"""``tar`` as ``kubectl cp`` uses it: ``tar cf - PATH`` and ``tar xmf - -C DIRECTORY``, streamed member by member.

The format is POSIX' pax (IEEE 1003.1, pax) as Go's archive/tar writes it, read through the standard library's ``TarInfo`` one 512-byte block
at a time: the library's own stream reader would block. GNU's long names are read too, and written where a name needs them.
"""

from __future__ import annotations

import posixpath
import tarfile
from typing import NamedTuple

from attrs import define

from kgate.demo.commands_text import source
from kgate.demo.files import Device, Directory, File, FileProblem, Link, Node
from kgate.demo.pipes import CAPACITY, FileWriter, Reader, Writer
from kgate.demo.runs import Program, Run

BLOCK = tarfile.BLOCKSIZE
_LONGEST_HEADER = 1 << 20


class _Wanted(NamedTuple):
    mode: str
    file: str
    directory: str
    verbose: bool
    paths: list[str]


def _read_arguments(words: list[str]) -> _Wanted | str:
    """``tar cf - -C DIR PATH…`` in its many spellings, or what is wrong with it."""
    rest = words[1:]
    letters, file, directory, paths = "", "-", "", list[str]()
    first = True
    while rest:
        word = rest.pop(0)
        if word == "-C" and rest:
            directory = rest.pop(0)
        elif first or (word.startswith("-") and len(word) > 1):
            letters += word.lstrip("-")
            if "f" in word and rest:
                file = rest.pop(0)
        else:
            paths.append(word)
        first = False
    modes = [letter for letter in letters if letter in "cxt"]
    if len(modes) != 1:
        return "usage: tar c|x|t [f FILE] [-C DIRECTORY] [PATH...]"
    if "z" in letters or "j" in letters:
        return "compression is not supported here"
    return _Wanted(modes[0], file, directory, "v" in letters, paths)


async def tar(run: Run, words: list[str]) -> int:
    """``tar c|x|t [vmpo] [f FILE] [-C DIRECTORY] [PATH…]``."""
    wanted = _read_arguments(words)
    if isinstance(wanted, str):
        return await run.complain(f"tar: {wanted}")
    base = run.path(wanted.directory) if wanted.directory else run.directory
    run.files.directory(base)
    if wanted.mode == "c":
        return await _create(run, wanted, base)
    return await _extract(run, wanted, base)


# --- writing


async def _create(run: Run, wanted: _Wanted, base: str) -> int:
    status = 0
    output = run.stdout if wanted.file == "-" else FileWriter(run.files, run.files.open(run.path(wanted.file)))
    if any(path.startswith("/") for path in wanted.paths):
        await run.complain("tar: removing leading '/' from member names")
    for name in wanted.paths:
        start = posixpath.normpath(posixpath.join(base, name))
        try:
            for path, node in run.files.walk(start):
                await run.machine.breathe()
                await _write_member(output, (name.rstrip("/") + path[len(start) :]).lstrip("/"), node)
        except FileProblem as problem:
            status = await run.complain(f"tar: {name}: {problem}")
    await output.write(bytes(BLOCK * 2))
    return status


async def _write_member(output: Writer, name: str, node: Node) -> None:
    info = tarfile.TarInfo(name or ".")
    info.mode, info.mtime = node.mode, int(node.modified)
    if isinstance(node, Device):
        return
    if isinstance(node, Directory):
        info.type = tarfile.DIRTYPE
    elif isinstance(node, Link):
        info.type, info.linkname = tarfile.SYMTYPE, node.target
    else:
        info.size = len(node.data)
    await output.write(info.tobuf(tarfile.GNU_FORMAT))
    if isinstance(node, File):
        for at in range(0, len(node.data), CAPACITY):
            await output.write(bytes(node.data[at : at + CAPACITY]))
        await output.write(bytes(-len(node.data) % BLOCK))


# --- reading


@define
class _Input:
    """Exactly so many bytes at a time."""

    reader: Reader

    async def take(self, size: int) -> bytes:
        held = bytearray()
        while len(held) < size:
            piece = await self.reader.read(min(size - len(held), CAPACITY))
            if not piece:
                break
            held += piece
        return bytes(held)

    async def padded(self, size: int) -> bytes:
        """A member's content that is kept whole: names."""
        if size > _LONGEST_HEADER:
            raise FileProblem("a name in the archive is too long")
        return (await self.take(size + -size % BLOCK))[:size]


async def _extract(run: Run, wanted: _Wanted, base: str) -> int:
    archive = _Input(source(run, wanted.file))
    special: dict[str, str] = {}
    while True:
        block = await archive.take(BLOCK)
        await run.machine.breathe()
        if not block.strip(b"\0"):
            break
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            return await run.complain(f"tar: this is no tar archive: {error}")
        if info.type in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE):
            content = await archive.padded(info.size)
            special |= _names(info.type, content)
            continue
        info.name, info.linkname = special.get("path", info.name), special.get("linkpath", info.linkname)
        info.size, special = int(special.get("size", info.size)), {}
        await _place(run, wanted, base, info, archive)
    while await archive.reader.read(CAPACITY):
        pass
    return 0


def _names(kind: bytes, content: bytes) -> dict[str, str]:
    if kind == tarfile.GNUTYPE_LONGNAME:
        return {"path": content.rstrip(b"\0").decode(errors="surrogateescape")}
    if kind == tarfile.GNUTYPE_LONGLINK:
        return {"linkpath": content.rstrip(b"\0").decode(errors="surrogateescape")}
    return _pax(content) if kind == tarfile.XHDTYPE else {}


def _pax(content: bytes) -> dict[str, str]:
    """Records of the form ``LENGTH KEY=VALUE\\n``."""
    records: dict[str, str] = {}
    while content:
        digits, _, _ = content.partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        if not length or length > len(content):
            raise FileProblem("a pax header of the archive is broken")
        key, _, value = content[len(digits) + 1 : length - 1].partition(b"=")
        records[key.decode(errors="replace")] = value.decode(errors="surrogateescape")
        content = content[length:]
    return records


async def _place(run: Run, wanted: _Wanted, base: str, info: tarfile.TarInfo, archive: _Input) -> None:
    """One member: below ``base``, whatever its name says."""
    name = posixpath.normpath("/" + info.name).lstrip("/")
    path = posixpath.join(base, name)
    shown = not wanted.paths or any(name == want or name.startswith(want.rstrip("/") + "/") for want in wanted.paths)
    if wanted.mode == "t" or wanted.verbose:
        await run.say(info.name)
    if wanted.mode == "t" or not shown:
        await _skip(archive, info.size if info.isreg() else 0)
    elif info.isdir():
        run.files.make_directory(path, parents=True)
    elif info.issym():
        run.files.put(path, Link(info.linkname, modified=run.machine.now()))
    elif info.isreg():
        await _place_file(run, path, info, archive)


async def _place_file(run: Run, path: str, info: tarfile.TarInfo, archive: _Input) -> None:
    run.files.write(path, b"", info.mode & 0o777)
    file = run.files.open(path)
    left = info.size
    while left:
        piece = await archive.take(min(left, CAPACITY))
        if not piece:
            raise FileProblem("short read")
        run.files.extend(file, piece)
        left -= len(piece)
    await archive.take(-info.size % BLOCK)


async def _skip(archive: _Input, size: int) -> None:
    left = size + -size % BLOCK
    while left > 0 and (piece := await archive.take(min(left, CAPACITY))):
        left -= len(piece)


PROGRAMS: dict[str, Program] = {"tar": tar}
