"""OCI image archives, written by hand: no daemon, no registry, the same bytes every time."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from machine.paths import goarch

SEARCH_PATH = "PATH=/usr/local/bin:/usr/bin:/bin"
MEDIA = "application/vnd.oci.image"


@dataclass(frozen=True)
class ImageConfig:
    """How a container of the image is started."""

    name: str
    entrypoint: Sequence[str]
    user: str = ""
    environment: Sequence[str] = field(default_factory=tuple)


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

    def file(self, source: Path, target: str) -> None:
        """Add a copy of a file, executable if the source is."""
        target = target.strip("/")
        if target in self._seen:
            return
        self.folder(str(Path(target).parent))
        status = source.stat()
        entry = self._entry(target, 0o755 if status.st_mode & 0o100 else 0o644)
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


def write_archive(path: Path, config: ImageConfig, layers: Sequence[Path]) -> Path:
    """Write an image of these layers (tar files), which `ctr images import` reads.

    The file appears under its name only when it is complete.
    """
    digests = [_file_digest(layer) for layer in layers]
    image = _encode(
        {
            "architecture": goarch(),
            "os": "linux",
            "config": {
                "Entrypoint": list(config.entrypoint),
                "Env": [SEARCH_PATH, *config.environment],
                "User": config.user,
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": digests},
        }
    )
    described = [
        _descriptor("layer.v1.tar", digest, layer.stat().st_size)
        for digest, layer in zip(digests, layers, strict=True)
    ]
    manifest = _encode(
        {
            "schemaVersion": 2,
            "mediaType": f"{MEDIA}.manifest.v1+json",
            "config": _descriptor("config.v1+json", _digest(image), len(image)),
            "layers": described,
        }
    )
    unfinished = path.with_suffix(".unfinished")
    with tarfile.open(unfinished, "w") as archive:
        _add_bytes(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add_bytes(archive, "index.json", _index(config.name, manifest))
        for content in (manifest, image):
            _add_bytes(archive, _blob(_digest(content)), content)
        for digest, layer in zip(digests, layers, strict=True):
            _add_file(archive, _blob(digest), layer)
    return unfinished.rename(path)


def _index(name: str, manifest: bytes) -> bytes:
    entry = _descriptor("manifest.v1+json", _digest(manifest), len(manifest))
    entry["platform"] = {"architecture": goarch(), "os": "linux"}
    entry["annotations"] = {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name.rpartition(":")[2],
    }
    kind = f"{MEDIA}.index.v1+json"
    return _encode({"schemaVersion": 2, "mediaType": kind, "manifests": [entry]})


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": f"{MEDIA}.{kind}", "digest": digest, "size": size}


def _encode(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest.partition(':')[2]}"


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _add_file(archive: tarfile.TarFile, name: str, source: Path) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = source.stat().st_size
    with source.open("rb") as content:
        archive.addfile(entry, content)
