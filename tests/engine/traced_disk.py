"""A disk as a trace of system calls leaves it: what was written, and what of that was synced."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

SYSCALLS = (
    "openat", "mkdir", "mkdirat", "write", "pwrite64", "ftruncate", "lseek", "fsync", "fdatasync",
    "rename", "renameat", "renameat2", "unlink", "unlinkat",
)  # fmt: skip
UNKNOWN = (
    "open", "creat", "writev", "pwritev", "pwritev2", "fallocate", "copy_file_range", "sendfile",
    "truncate", "link", "linkat", "symlink", "symlinkat", "rmdir",
)  # fmt: skip
"""System calls that change a disk, too, and that this one does not understand."""

_LINE = re.compile(r"(\w+)\((.*)\) += (-?\d+)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass
class Call:
    """A call that succeeded; `texts` are its strings and buffers, `rest` its other arguments."""

    name: str
    texts: list[bytes]
    rest: list[str]
    result: int

    @property
    def paths(self) -> list[PurePosixPath]:
        return [PurePosixPath(text.decode()) for text in self.texts]


def parsed(trace: str) -> Iterator[Call]:
    """Yield the calls of a trace that was written by `strace -xx`."""
    for line in trace.splitlines():
        found = _LINE.match(line)
        if not found or int(found[3]) < 0:
            continue
        texts = [bytes.fromhex(text.replace("\\x", "")) for text in _TEXT.findall(found[2])]
        rest = [argument.strip() for argument in _TEXT.sub("", found[2]).split(",")]
        yield Call(found[1], texts, rest, int(found[3]))


@dataclass(eq=False)
class File:
    # Never changed in place: many states of the disk share it.
    written: bytes = b""
    synced: bytes = b""

    def write(self, place: int, data: bytes) -> None:
        before = self.written[:place].ljust(place, b"\0")
        self.written = before + data + self.written[place + len(data) :]

    def cut(self, size: int) -> None:
        self.written = self.written[:size].ljust(size, b"\0")

    def sync(self) -> None:
        self.synced = self.written


@dataclass(eq=False)
class Directory:
    names: dict[str, "File | Directory"] = field(default_factory=dict)
    synced: dict[str, "File | Directory"] = field(default_factory=dict)

    def sync(self) -> None:
        self.synced = dict(self.names)


Files = dict[PurePosixPath, bytes | None]
"""Contents by path; None for a directory."""


class Disk:
    """What is below `root`; calls that go elsewhere are ignored."""

    def __init__(self, root: PurePosixPath) -> None:
        self._root = root
        self._top = Directory()
        self._open: dict[int, File | Directory] = {}
        self._places: dict[int, int] = {}

    def apply(self, call: Call) -> None:
        assert call.name not in UNKNOWN, f"{call.name} is not understood"
        match call.name.removesuffix("2").removesuffix("at").removesuffix("64"):
            case "open":
                self._open_file(call)
            case "mkdir" if self._is_here(call.paths[0]):
                self._parent(call.paths[0]).names[call.paths[0].name] = Directory()
            case "unlink" if self._is_here(call.paths[0]):
                del self._parent(call.paths[0]).names[call.paths[0].name]
            case "rename" if self._is_here(call.paths[0]):
                old, new = call.paths
                self._parent(new).names[new.name] = self._parent(old).names.pop(old.name)
            case "write" | "pwrite" | "ftruncate" | "lseek" | "fsync" | "fdatasync":
                self._use_file(call)

    def _is_here(self, path: PurePosixPath) -> bool:
        return path.is_relative_to(self._root) and path != self._root

    def _parent(self, path: PurePosixPath) -> Directory:
        found = self._find(path.parent)
        assert isinstance(found, Directory)
        return found

    def _find(self, path: PurePosixPath) -> File | Directory | None:
        found: File | Directory | None = self._top
        for name in path.relative_to(self._root).parts:
            found = found.names.get(name) if isinstance(found, Directory) else None
        return found

    def _open_file(self, call: Call) -> None:
        (path,) = call.paths
        self._open.pop(call.result, None)
        if not path.is_relative_to(self._root):
            return
        found = self._find(path)
        if found is None:
            found = self._parent(path).names[path.name] = File()
        elif isinstance(found, File) and "O_TRUNC" in call.rest[2]:
            found.cut(0)
        self._open[call.result] = found
        self._places[call.result] = 0

    def _use_file(self, call: Call) -> None:
        descriptor = int(call.rest[0])
        file = self._open.get(descriptor)
        if call.name.endswith("sync") and file is not None:
            file.sync()
        if not isinstance(file, File):
            return
        match call.name:
            case "write":
                file.write(self._places[descriptor], call.texts[0][: call.result])
                self._places[descriptor] += call.result
            case "pwrite64":
                file.write(int(call.rest[3]), call.texts[0][: call.result])
            case "ftruncate":
                file.cut(int(call.rest[1]))
            case "lseek":
                self._places[descriptor] = call.result

    def tear(self, call: Call) -> bool:
        """Do the first half of a call that writes; return whether it is one that writes here."""
        is_write = call.name in ("write", "pwrite64") and int(call.rest[0]) in self._open
        if is_write:
            half = Call(call.name, call.texts, call.rest, call.result // 2)
            place = self._places[int(call.rest[0])]
            self.apply(half)
            self._places[int(call.rest[0])] = place
        return is_write

    def files(self, *, names: str, data: str) -> Files:
        """Return what is found after a cut: of names and of data "written" or "synced" ones."""
        return dict(_walk(PurePosixPath(), self._top, names, data))


def _walk(
    path: PurePosixPath, directory: Directory, names: str, data: str
) -> Iterator[tuple[PurePosixPath, bytes | None]]:
    for name, found in (directory.synced if names == "synced" else directory.names).items():
        if isinstance(found, Directory):
            yield path / name, None
            yield from _walk(path / name, found, names, data)
        else:
            yield path / name, found.synced if data == "synced" else found.written
