"""Commands that look at files and change them: ls, mkdir, rm, cp, mv, touch, find, du, dd, test …"""

from __future__ import annotations

import fnmatch
import posixpath
import re
import stat
from datetime import UTC, datetime

from kgate.demo.commands_text import options, pieces, source
from kgate.demo.files import Device, Directory, File, FileProblem, Link, Node
from kgate.demo.pipes import CAPACITY
from kgate.demo.runs import Program, Run

_KINDS = ((Directory, stat.S_IFDIR), (Link, stat.S_IFLNK), (Device, stat.S_IFCHR), (File, stat.S_IFREG))


def _mode(node: Node) -> str:
    return stat.filemode(next(bits for kind, bits in _KINDS if isinstance(node, kind)) | node.mode)


def _size(node: Node) -> int:
    return len(node.data) if isinstance(node, File) else 4096 if isinstance(node, Directory) else 0


def _long(name: str, node: Node) -> str:
    when = datetime.fromtimestamp(node.modified, UTC).strftime("%b %e %H:%M")
    return f"{_mode(node)}    1 root     root     {_size(node):9} {when} {name}" + (f" -> {node.target}" if isinstance(node, Link) else "")


async def ls(run: Run, words: list[str]) -> int:
    """``ls [-la1d] [PATH…]``: one name a line, or in long form."""
    found, names = options(words)
    status = 0
    for name in names or ["."]:
        path = run.path(name)
        node = run.files.find(path)
        if node is None:
            status = await run.complain(f"ls: {name}: No such file or directory")
            continue
        if len(names) > 1 and isinstance(node, Directory) and "d" not in found:
            await run.say(f"{name}:")
        listed = sorted(node.entries.items()) if isinstance(node, Directory) and "d" not in found else [(name, node)]
        for entry, held in listed:
            if "a" in found or not entry.startswith(".") or entry == name:
                await run.say(_long(entry, held) if "l" in found else entry)
    return status


async def mkdir(run: Run, words: list[str]) -> int:
    """``mkdir [-p] DIRECTORY…``."""
    found, names = options(words, "m")
    for name in names:
        try:
            run.files.make_directory(run.path(name), parents="p" in found)
        except FileProblem as problem:
            return await run.complain(f"mkdir: can't create directory '{name}': {problem}")
    return 0


async def rm(run: Run, words: list[str]) -> int:
    """``rm [-rf] PATH…``."""
    found, names = options(words)
    status = 0
    for name in names:
        try:
            run.files.remove(run.path(name), recursive=bool({"r", "R"} & found.keys()))
        except FileProblem as problem:
            if "f" not in found:
                status = await run.complain(f"rm: can't remove '{name}': {problem}")
    return status


async def touch(run: Run, words: list[str]) -> int:
    """``touch FILE…``."""
    for name in options(words)[1]:
        run.files.extend(run.files.open(run.path(name), append=True), b"")
    return 0


async def cp(run: Run, words: list[str]) -> int:
    """``cp [-r] SOURCE… TARGET``."""
    found, names = options(words)
    if len(names) < 2:
        return await run.complain("usage: cp [-r] SOURCE... TARGET")
    *sources, target = names
    for name in sources:
        inside = run.files.is_directory(run.path(target))
        goal = posixpath.join(run.path(target), posixpath.basename(name.rstrip("/"))) if inside else run.path(target)
        if run.files.is_directory(run.path(name)) and not {"r", "R", "a"} & found.keys():
            return await run.complain(f"cp: omitting directory '{name}'")
        for path, node in list(run.files.walk(run.path(name))):
            await run.machine.breathe()
            _copy(run, node, goal + path[len(run.path(name)) :])
    return 0


def _copy(run: Run, node: Node, path: str) -> None:
    if isinstance(node, Directory):
        run.files.make_directory(path, parents=True)
    elif isinstance(node, File):
        run.files.write(path, bytes(node.data), node.mode)
    else:
        run.files.put(path, node)


async def mv(run: Run, words: list[str]) -> int:
    """``mv SOURCE… TARGET``."""
    names = options(words)[1]
    if len(names) < 2:
        return await run.complain("usage: mv SOURCE... TARGET")
    for name in names[:-1]:
        run.files.rename(run.path(name), run.path(names[-1]))
    return 0


async def ln(run: Run, words: list[str]) -> int:
    """``ln -s TARGET NAME``."""
    found, names = options(words)
    if "s" not in found or len(names) != 2:
        return await run.complain("usage: ln -s TARGET NAME")
    run.files.put(run.path(names[1]), Link(names[0], modified=run.machine.now()))
    return 0


async def chmod(run: Run, words: list[str]) -> int:
    """``chmod OCTAL|+x FILE…``."""
    _, names = options(words)
    for name in names[1:]:
        node = run.files.get(run.path(name))
        node.mode = int(names[0], 8) if re.fullmatch("[0-7]+", names[0]) else node.mode | 0o111 if "+x" in names[0] else node.mode
    return 0


async def find(run: Run, words: list[str]) -> int:
    """``find [PATH] [-name PATTERN] [-type f|d]``."""
    arguments = words[1:]
    start = arguments.pop(0) if arguments and not arguments[0].startswith("-") else "."
    wanted = dict(zip(arguments[::2], arguments[1::2], strict=False))
    kind = {"f": File, "d": Directory, "l": Link}.get(wanted.get("-type", ""))
    base = run.path(start)
    for path, node in run.files.walk(base):
        await run.machine.breathe()
        if fnmatch.fnmatchcase(posixpath.basename(path), wanted.get("-name", "*")) and (kind is None or isinstance(node, kind)):
            await run.say(start.rstrip("/") + path[len(base.rstrip("/")) :] or start)
    return 0


async def du(run: Run, words: list[str]) -> int:
    """``du [PATH]``: kilobytes in all."""
    names = options(words)[1]
    total = sum(_size(node) for _, node in run.files.walk(run.path(names[0] if names else ".")))
    await run.say(f"{(total + 1023) // 1024}\t{names[0] if names else '.'}")
    return 0


_UNITS = {"": 1, "c": 1, "k": 1024, "K": 1024, "M": 1 << 20, "G": 1 << 30}


async def dd(run: Run, words: list[str]) -> int:
    """``dd [if=FILE] [of=FILE] [bs=SIZE] [count=N]``."""
    wanted = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    size = re.fullmatch(r"(\d+)([ckKMG]?)B?", wanted.get("bs", "512"))
    if not size or not int(size[1]) or not wanted.get("count", "0").isdigit():
        return await run.complain("usage: dd [if=FILE] [of=FILE] [bs=SIZE] [count=N]")
    block = int(size[1]) * _UNITS[size[2]]
    left = block * int(wanted["count"]) if "count" in wanted else None
    total, reader = 0, source(run, wanted.get("if", "-"))
    file = run.files.open(run.path(wanted["of"])) if "of" in wanted else None
    while left is None or total < left:
        piece = await reader.read(CAPACITY if left is None else min(CAPACITY, left - total))
        if not piece:
            break
        total += len(piece)
        await run.machine.breathe()
        if file is None:
            await run.stdout.write(piece)
        else:
            run.files.extend(file, piece)
    await run.stderr.write(f"{total // block}+{int(total % block > 0)} records in\n{total} bytes copied\n".encode())
    return 0


async def pwd(run: Run, words: list[str]) -> int:
    """``pwd``."""
    await run.say(run.directory)
    return 0


_NODES = {"-d": Directory, "-f": File, "-L": Link}
_NUMBERS = {"-eq": (0,), "-ne": (-1, 1), "-lt": (-1,), "-le": (-1, 0), "-gt": (1,), "-ge": (0, 1)}


async def test(run: Run, words: list[str]) -> int:
    """``test EXPRESSION`` and ``[ EXPRESSION ]``: files, texts, numbers, ``!``."""
    arguments = words[1:]
    if words[0] == "[" and (not arguments or arguments.pop() != "]"):
        await run.complain("sh: missing ]")
        return 2
    try:
        return 0 if _holds(run, arguments) else 1
    except ValueError:
        await run.complain(f"sh: {' '.join(arguments)}: unknown operand")
        return 2


def _holds(run: Run, arguments: list[str]) -> bool:
    if arguments[:1] == ["!"]:
        return not _holds(run, arguments[1:])
    if len(arguments) == 2:
        return _unary(run, *arguments)
    if len(arguments) == 3:
        return _binary(*arguments)
    if len(arguments) > 3:
        raise ValueError("too many")
    return bool(arguments and arguments[0])


def _unary(run: Run, flag: str, value: str) -> bool:
    if flag in ("-z", "-n"):
        return bool(value) is (flag == "-n")
    node = run.files.find(run.path(value), follow=flag != "-L") if value else None
    if flag in _NODES:
        return isinstance(node, _NODES[flag])
    if flag in ("-e", "-r", "-w"):
        return node is not None
    if flag == "-s":
        return node is not None and _size(node) > 0
    if flag == "-x":
        return node is not None and bool(node.mode & 0o111)
    if flag == "-t":
        return run.console is not None
    raise ValueError(flag)


def _binary(left: str, relation: str, right: str) -> bool:
    if relation in ("=", "==", "!="):
        return (left == right) is not (relation == "!=")
    a, b = int(left), int(right)
    if relation not in _NUMBERS:
        raise ValueError(relation)
    return (a > b) - (a < b) in _NUMBERS[relation]


async def stat_file(run: Run, words: list[str]) -> int:
    """``stat FILE…``."""
    for name in options(words)[1]:
        node = run.files.get(run.path(name))
        await run.say(f"  File: {name}\n  Size: {_size(node)}\tAccess: ({node.mode:04o}/{_mode(node)})")
    return 0


async def cmp(run: Run, words: list[str]) -> int:
    """``cmp FILE FILE``."""
    names = options(words)[1]
    if len(names) != 2:
        return await run.complain("usage: cmp FILE FILE")
    first, second = [b"".join([piece async for piece in pieces(run, source(run, name))]) for name in names]
    return 0 if first == second else await run.complain(f"{names[0]} {names[1]} differ")


PROGRAMS: dict[str, Program] = {
    "ls": ls,
    "mkdir": mkdir,
    "rm": rm,
    "touch": touch,
    "cp": cp,
    "mv": mv,
    "ln": ln,
    "chmod": chmod,
    "find": find,
    "du": du,
    "dd": dd,
    "pwd": pwd,
    "test": test,
    "[": test,
    "stat": stat_file,
    "cmp": cmp,
}
