"""What is in the archive of an image."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class ImageArchive:
    """An image as `docker save` writes it: how it starts, and the files of its layers."""

    config: dict[str, Any]
    names: list[str]
    files: dict[str, str] = field(default_factory=dict)
    """Kind, mode and digest of each file by its path, as a container sees them."""
    owners: set[tuple[int, int]] = field(default_factory=set)
    layers: list[int] = field(default_factory=list)
    """The size of each layer, in bytes."""

    @classmethod
    def read(cls, path: Path) -> ImageArchive:
        """Read an archive."""
        with tarfile.open(path) as archive:
            [entry] = json.load(_open(archive, "manifest.json"))
            image = json.load(_open(archive, entry["Config"]))
            found = cls(image["config"], entry["RepoTags"])
            for name in entry["Layers"]:
                content = _open(archive, name)
                found.layers.append(content.seek(0, os.SEEK_END))
                content.seek(0)
                with tarfile.open(fileobj=content) as layer:
                    found._add(layer)
        return found

    def _add(self, layer: tarfile.TarFile) -> None:
        for member in layer:
            name = member.name.strip("/").removeprefix("./")
            if member.isfile():
                content = layer.extractfile(member)
                assert content is not None
                text = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
            else:
                text = member.linkname or "folder"
            self.owners.add((member.uid, member.gid))
            self.files[name] = f"{member.mode & 0o7777:o} {text}"


def _open(archive: tarfile.TarFile, name: str) -> Any:
    member = archive.extractfile(name)
    assert member is not None
    return member
