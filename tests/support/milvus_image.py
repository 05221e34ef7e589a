"""An image of Milvus 2.3.5, laid out as the official ones are, from the package `milvus==2.3.5`.

The package has the server's program, its libraries and a template of its configuration. The program
is started as in the official image: `milvus run standalone`. The image lacks a shell and tini, and
the program is a build of its own: it says that it is `2.3.5-lite`.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

from imagebuild.collect.content import with_libraries
from imagebuild.collect.layer import LayerWriter
from imagebuild.collect.packages import Content
from imagebuild.oci import ImageConfig, write_archive
from machine.locks import file_lock
from machine.milvus_servers import MILVUS
from machine.paths import cache_dir

IMAGE = "localhost/milvus-of-pypi:2.3.5"
MODE = 0o774
"""Of the official images: who is neither root nor of its group can read, and start nothing."""
ENVIRONMENT = (
    "PATH=/milvus/bin:/usr/bin:/bin",
    "LD_LIBRARY_PATH=/milvus/lib:/usr/lib",
    # The next server waits until the sessions of the one before have run out, which takes 30 s.
    "COMMON_SESSION_TTL=10",
)
PATHS = {
    "etcd_data_dir": "default.etcd",
    "local_storage_dir": "/var/lib/milvus/data/",
    "rocksmq_data_dir": "/var/lib/milvus/rdb_data",
    "system_log_path": "",
}
"""What the template leaves open, as milvus.yaml of the official images has it."""


def milvus_archive() -> Path:
    """Return an OCI archive of the image, made once in some seconds."""
    programs = MILVUS.program("python").parents[1] / "milvus"
    inputs = (programs.parent / "made-from").read_text() + Path(__file__).read_text()
    key = hashlib.sha256(inputs.encode()).hexdigest()[:16]
    archive = cache_dir() / "images" / f"milvus-{key}.tar"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(archive.with_suffix(".lock")):
        if not archive.exists():
            for older in archive.parent.glob("milvus-*.tar"):
                older.unlink()
            _make(archive, programs, archive.with_suffix(".work"))
    return archive


def _make(archive: Path, programs: Path, work: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    content = _content(programs, work)
    layer = work / "layer"
    with LayerWriter(layer) as writer:
        for path, target in sorted(with_libraries(content), key=lambda item: item[1]):
            writer.file(path, target, MODE if target.startswith("/milvus/") else None)
    config = ImageConfig(IMAGE, (), environment=ENVIRONMENT, folder="/milvus")
    write_archive(archive, config, [layer])
    shutil.rmtree(work)


def _content(programs: Path, work: Path) -> Content:
    """Return the files with their paths in the image."""
    settings = work / "milvus.yaml"
    settings.write_text(_filled((programs / "config.yaml.template").read_text()))
    return [
        (programs / "milvus", "/milvus/bin/milvus"),
        *((path, f"/milvus/lib/{path.name}") for path in sorted(programs.glob("*.so*"))),
        (settings, "/milvus/configs/milvus.yaml"),
        (programs / "glog.conf", "/milvus/configs/glog.conf"),
    ]


def _filled(template: str) -> str:
    """Return the template with its defaults: `{{ name(type): default }}`."""

    def value(found: re.Match[str]) -> str:
        name, _, default = found[1].partition(":")
        return default.strip() or PATHS[name.partition("(")[0].strip()]

    return re.sub(r"\{\{(.*?)\}\}", value, template)
