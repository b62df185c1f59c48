"""A container's files, in memory: directories, files, symbolic links and the four devices that people use. Nothing of the host is ever touched.

Paths are absolute and normal once ``absolute`` made them so. Problems are raised as ``FileProblem`` with the C library's words, for the
commands of the shell print them as they are.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from typing import NoReturn

from attrs import define, field

CAPACITY = 256 * 1024 * 1024
"""Bytes that one container may hold."""
LINKS = 16


class FileProblem(Exception):
    """What the C library says: ``No such file or directory``."""


@define
class File:
    """A regular file."""

    data: bytearray = field(factory=bytearray)
    mode: int = 0o644
    modified: float = 0.0


@define
class Device:
    """A character device: ``null`` or ``zero``."""

    endless: bool
    mode: int = 0o666
    modified: float = 0.0


@define
class Link:
    """A symbolic link."""

    target: str
    mode: int = 0o777
    modified: float = 0.0


@define
class Directory:
    """A directory."""

    entries: dict[str, File | Device | Link | Directory] = field(factory=dict)
    mode: int = 0o755
    modified: float = 0.0


Node = File | Device | Link | Directory


def absolute(path: str, directory: str) -> str:
    """``path`` seen from ``directory``, without ``.`` and ``..``."""
    return "/" + posixpath.normpath(posixpath.join(directory, path)).lstrip("/")


class FileSystem:
    """``now`` gives Unix seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.root = Directory(modified=now())
        self.used = 0

    # --- looking

    def find(self, path: str, *, follow: bool = True) -> Node | None:
        """The node at an absolute path; a link's target, unless ``follow`` is false."""
        return self._find(path, follow, LINKS)

    def _find(self, path: str, follow: bool, links: int) -> Node | None:
        node: Node = self.root
        walked = "/"
        parts = [part for part in path.split("/") if part]
        for index, part in enumerate(parts):
            if not isinstance(node, Directory) or part not in node.entries:
                return None
            node, last = node.entries[part], index == len(parts) - 1
            if isinstance(node, Link) and (follow or not last):
                if not links:
                    return None
                rest = posixpath.join(absolute(node.target, walked), *parts[index + 1 :])
                return self._find(rest, follow, links - 1)
            walked = posixpath.join(walked, part)
        return node

    def get(self, path: str) -> Node:
        """The node; FileProblem where there is none."""
        return self.find(path) or _missing()

    def directory(self, path: str) -> Directory:
        """The directory; FileProblem where it is none."""
        node = self.get(path)
        if not isinstance(node, Directory):
            raise FileProblem("Not a directory")
        return node

    def is_directory(self, path: str) -> bool:
        """Whether a directory is there."""
        return isinstance(self.find(path), Directory)

    def read(self, path: str) -> bytes:
        """A file's bytes."""
        node = self.get(path)
        if isinstance(node, Directory):
            raise FileProblem("Is a directory")
        return bytes(node.data) if isinstance(node, File) else b""

    def walk(self, path: str) -> Iterator[tuple[str, Node]]:
        """The node at ``path`` and everything below it, links not followed."""
        node = self.find(path, follow=False)
        if node is None:
            raise FileProblem("No such file or directory")
        yield path, node
        if isinstance(node, Directory):
            for name in sorted(node.entries):
                yield from self.walk(posixpath.join(path, name))

    # --- changing

    def make_directory(self, path: str, *, parents: bool = False) -> Directory:
        """A new directory; with ``parents`` those above it too, and one that exists is fine."""
        node = self.find(path)
        if isinstance(node, Directory) and parents:
            return node
        if node is not None:
            raise FileProblem("File exists")
        if parents and path != "/":
            self.make_directory(posixpath.dirname(path), parents=True)
        made = Directory(modified=self._now())
        self.put(path, made)
        return made

    def put(self, path: str, node: Node) -> None:
        """Place ``node`` at ``path``, in the place of whatever was there but a directory."""
        parent = self.directory(posixpath.dirname(path))
        name = posixpath.basename(path)
        old = parent.entries.get(name)
        if isinstance(old, Directory) or not name:
            raise FileProblem("Is a directory")
        if isinstance(old, File):
            self.used -= len(old.data)
        if isinstance(node, File):
            self._take(len(node.data))
        parent.entries[name] = node
        parent.modified = self._now()

    def open(self, path: str, *, append: bool = False) -> File | Device:
        """The file to write to, made or emptied."""
        node = self.find(path)
        if isinstance(node, Directory):
            raise FileProblem("Is a directory")
        if isinstance(node, Device):
            return node
        if not isinstance(node, File):
            node = File(modified=self._now())
            self.put(path, node)
        elif not append:
            self.used -= len(node.data)
            node.data.clear()
        return node

    def extend(self, file: File | Device, data: bytes) -> None:
        """Write at the end of an open file."""
        if isinstance(file, File):
            self._take(len(data))
            file.data += data
            file.modified = self._now()

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """A whole file at once, directories above it included."""
        self.make_directory(posixpath.dirname(path), parents=True)
        file = self.open(path)
        self.extend(file, data)
        file.mode = mode

    def remove(self, path: str, *, recursive: bool = False) -> None:
        """Take the node away."""
        node = self.find(path, follow=False) or _missing()
        if isinstance(node, Directory) and not recursive:
            raise FileProblem("Is a directory")
        if path == "/":
            raise FileProblem("Device or resource busy")
        for _, held in list(self.walk(path)):
            self.used -= len(held.data) if isinstance(held, File) else 0
        del self.directory(posixpath.dirname(path)).entries[posixpath.basename(path)]

    def rename(self, source: str, target: str) -> None:
        """Move a node, into ``target`` where that is a directory."""
        node = self.find(source, follow=False) or _missing()
        if self.is_directory(target):
            target = posixpath.join(target, posixpath.basename(source))
        if (target + "/").startswith(source + "/"):
            raise FileProblem("Invalid argument")
        size = len(node.data) if isinstance(node, File) else 0
        self.used -= size
        self.put(target, node)
        del self.directory(posixpath.dirname(source)).entries[posixpath.basename(source)]

    def _take(self, size: int) -> None:
        if self.used + size > CAPACITY:
            raise FileProblem("No space left on device")
        self.used += size


def _missing() -> NoReturn:
    raise FileProblem("No such file or directory")
