"""Whether two builds are the same, and if not, in what."""

from __future__ import annotations

import hashlib
import json
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from release import sums

NAMED = 3
"""How many members of an archive are named, of those that differ."""

IMAGE_INDEX = "manifest.json"

Member = tuple[str, str, str]
"""What a member of an archive is: its content, its time, and mode and owner."""
Members = dict[str, Member]
ASPECTS = ("content", "time", "mode or owner")


def compare(one: Path, other: Path) -> Iterator[tuple[str, str]]:
    """Each file of two folders of a release, and how it differs; empty if it does not."""
    ours, theirs = sums.read(one), sums.read(other)
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in theirs:
            yield name, "it is in the first build alone"
        elif name not in ours:
            yield name, "it is in the second build alone"
        elif ours[name] == theirs[name]:
            yield name, ""
        else:
            yield name, _difference(one / name, other / name)


def _difference(one: Path, other: Path) -> str:
    ours, theirs = _members(one), _members(other)
    if ours is None or theirs is None:
        return _first_line(one, other)
    if ours.keys() != theirs.keys():
        return f"members of one alone: {_some(sorted(ours.keys() ^ theirs.keys()))}"
    if list(ours) != list(theirs):
        return "the order of its members differs"
    found = [f"{aspect} of {_some(names)}" for aspect, names in _aspects(ours, theirs)]
    return "; ".join(found) or "its members are the same; its compression or its headers differ"


def _aspects(ours: Members, theirs: Members) -> Iterator[tuple[str, list[str]]]:
    for number, aspect in enumerate(ASPECTS):
        names = [name for name in ours if ours[name][number] != theirs[name][number]]
        if names:
            yield aspect, names


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _members(path: Path) -> Members | None:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return {
                entry.filename: (
                    hashlib.sha256(archive.read(entry)).hexdigest(),
                    str(entry.date_time),
                    f"{entry.external_attr:o}",
                )
                for entry in archive.infolist()
            }
    if tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            return dict(_of_image(tar) if IMAGE_INDEX in tar.getnames() else _of_tar(tar))
    return None


def _of_image(tar: tarfile.TarFile) -> Iterator[tuple[str, Member]]:
    """The files of the layers, since an archive names layers by their digests."""
    [image] = json.load(_opened(tar, IMAGE_INDEX))
    configuration = _opened(tar, image["Config"]).read()
    yield "configuration", (hashlib.sha256(configuration).hexdigest(), "", "")
    for number, name in enumerate(image["Layers"], start=1):
        with tarfile.open(fileobj=_opened(tar, name)) as layer:
            for path, member in _of_tar(layer):
                yield f"layer {number}: {path}", member


def _of_tar(tar: tarfile.TarFile) -> Iterator[tuple[str, Member]]:
    for entry in tar:
        owner = f"{entry.mode:o} {entry.uid}:{entry.gid} {entry.uname}:{entry.gname}"
        yield entry.name, (_content(tar, entry), str(entry.mtime), owner)


def _opened(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    file = tar.extractfile(name)
    assert file is not None, "an index names files"
    return file


def _content(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> str:
    file = tar.extractfile(entry) if entry.isfile() else None
    if file is None:
        return entry.linkname
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def _first_line(one: Path, other: Path) -> str:
    ours, theirs = (path.read_text(errors="replace").splitlines() for path in (one, other))
    pairs = enumerate(zip(ours, theirs, strict=False), start=1)
    number = next((number for number, (a, b) in pairs if a != b), min(len(ours), len(theirs)) + 1)
    return f"line {number} is the first that differs"
