"""The image of the sandbox container that every pod has."""

from __future__ import annotations

import hashlib
from pathlib import Path

from imagebuild.collect.layer import LayerWriter
from imagebuild.oci import ImageConfig, write_archive
from localcluster.node import PAUSE_IMAGE
from machine.locks import file_lock
from machine.paths import cache_dir


def pause_archive(program: Path) -> Path:
    """An OCI archive with the static pause program as its only file; made once."""
    digest = hashlib.sha256(program.read_bytes()).hexdigest()[:16]
    archive = cache_dir() / "images" / f"pause-{digest}.tar"
    with file_lock(archive.with_suffix(".lock")):
        if not archive.exists():
            layer = archive.with_suffix(".layer")
            with LayerWriter(layer) as writer:
                writer.file(program, "pause")
            write_archive(archive, ImageConfig(PAUSE_IMAGE, ["/pause"], "65535:65535"), [layer])
            layer.unlink()
    return archive
