"""One layer of an image as a tar file: the same bytes every time."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Self


class LayerWriter:
    """Writes one layer: sorted by the caller, root's, readable by all, without times."""

    def __init__(self, path: Path) -> None:
        """Open the layer's tar file for writing."""
        self._tar = tarfile.open(path, "w", format=tarfile.GNU_FORMAT)  # noqa: SIM115
        self._seen: set[str] = set()

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, *_: object) -> None:
        """Finish the tar file."""
        self._tar.close()

    def folder(self, target: str, mode: int = 0o755) -> None:
        """Add a folder, and those above it, unless they are there already."""
        target = target.strip("/")
        if not target or target in self._seen:
            return
        self.folder(str(Path(target).parent) if "/" in target else "")
        entry = self._entry(target, mode)
        entry.type = tarfile.DIRTYPE
        self._tar.addfile(entry)

    def file(self, source: Path, target: str, mode: int | None = None) -> None:
        """Add a copy of a file; without `mode` it is executable if the source is."""
        target = target.strip("/")
        if target in self._seen:
            return
        self.folder(str(Path(target).parent))
        status = source.stat()
        entry = self._entry(target, mode or (0o755 if status.st_mode & 0o100 else 0o644))
        entry.size = status.st_size
        with source.open("rb") as content:
            self._tar.addfile(entry, content)

    def text(self, target: str, content: str) -> None:
        """Add a file with this content."""
        self.folder(str(Path(target).parent))
        data = content.encode()
        entry = self._entry(target.strip("/"), 0o644)
        entry.size = len(data)
        self._tar.addfile(entry, io.BytesIO(data))

    def link(self, target: str, to: str) -> None:
        """Add a symbolic link."""
        self.folder(str(Path(target).parent))
        entry = self._entry(target.strip("/"), 0o777)
        entry.type, entry.linkname = tarfile.SYMTYPE, to
        self._tar.addfile(entry)

    def _entry(self, name: str, mode: int) -> tarfile.TarInfo:
        self._seen.add(name)
        entry = tarfile.TarInfo(name)
        entry.mode = mode
        return entry
