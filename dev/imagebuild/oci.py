"""Image archives, written by hand: no daemon, no registry, the same bytes every time.

They are of the OCI's layout, and have Docker's index besides, as those of `docker save` do: `kind
load image-archive` reads that alone.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machine.paths import goarch

MEDIA = "application/vnd.oci.image"


@dataclass(frozen=True)
class ImageConfig:
    """How a container of the image is started."""

    name: str
    entrypoint: Sequence[str]
    user: str = ""
    environment: Sequence[str] = field(default_factory=tuple)
    labels: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"


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
                "Env": list(config.environment),
                "User": config.user,
                "WorkingDir": config.folder,
                "Labels": dict(config.labels),
            },
            "rootfs": {"type": "layers", "diff_ids": digests},
            "history": [{"created_by": "imagebuild"} for _ in digests],
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
        _add_bytes(archive, "manifest.json", _docker_index(config.name, image, digests))
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


def _docker_index(name: str, image: bytes, layers: Sequence[str]) -> bytes:
    entry = {
        "Config": _blob(_digest(image)),
        "RepoTags": [name],
        "Layers": [_blob(digest) for digest in layers],
    }
    return json.dumps([entry]).encode()


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
