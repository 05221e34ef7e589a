"""A tar.gz that only its owner can read, bounded in size, and that says what it lacks."""

import io
import os
import re
import tarfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

MOST_BYTES = 200 * 2**20
"""Of all files together, before they are compressed."""
_SUMMARY_BYTES = 2**20
"""Kept free for the summary."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


class Bundle:
    """Files under one folder in an archive, which gets its name when it is whole."""

    def __init__(self, path: Path, folder: str, most: int = MOST_BYTES) -> None:
        """Raises: OSError, FileExistsError among them: nothing is overwritten."""
        if path.exists():
            raise FileExistsError(f"{path} exists already")
        self.path = path
        self.lacks: dict[str, str] = {}
        self._folder = folder
        self._room = most - _SUMMARY_BYTES
        self._unfinished = path.with_name(f".{path.name}.unfinished")
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        self._file = os.fdopen(os.open(self._unfinished, flags, 0o600), "wb")
        self._archive = tarfile.open(fileobj=self._file, mode="w:gz", compresslevel=6)  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._file.closed:
            self._archive.close()
            self._file.close()
        self._unfinished.unlink(missing_ok=True)

    @property
    def is_full(self) -> bool:
        return self._room <= 0

    def add(self, name: str, content: str) -> None:
        """Add a file. What there is no room for is cut, and `lacks` says so."""
        encoded = content.encode(errors="replace")
        if len(encoded) > self._room:
            self.lacks[name] = f"the bundle is full: {len(encoded) - self._room} bytes are left out"
            encoded = encoded[: self._room]
        self._room -= len(encoded)
        if encoded or not content:
            self._write(name, encoded)

    def finish(self, summary: str) -> int:
        """Add the summary, and give the file its name. Returns its size in bytes."""
        self._write("summary.txt", summary.encode(errors="replace")[:_SUMMARY_BYTES])
        self._archive.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        try:
            # A link does not replace a file that has come there meanwhile, as a renaming would.
            os.link(self._unfinished, self.path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            self._unfinished.rename(self.path)
        return self.path.stat().st_size

    def _write(self, name: str, content: bytes) -> None:
        parts = [_UNSAFE.sub("_", part).lstrip(".") or "_" for part in name.split("/")]
        info = tarfile.TarInfo("/".join([self._folder, *parts]))
        info.size, info.mode, info.mtime = len(content), 0o600, int(time.time())
        self._archive.addfile(info, io.BytesIO(content))
