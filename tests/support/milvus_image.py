"""An image of Milvus 2.3.5, laid out as the official ones are, from the wheel `milvus==2.3.5`.

The wheel has the server's program, its libraries and a template of its configuration. The program
is started as in the official image: `milvus run standalone`. The image lacks a shell and tini, and
the program is a build of its own: it says that it is `2.3.5-lite`.
"""

from __future__ import annotations

import hashlib
import lzma
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from imagebuild.collect.content import with_libraries
from imagebuild.collect.layer import LayerWriter
from imagebuild.collect.packages import Content
from imagebuild.oci import ImageConfig, write_archive
from machine.locks import file_lock
from machine.paths import cache_dir

IMAGE = "localhost/milvus-of-the-wheel:2.3.5"
FORMAT = "1"  # part of the key: raise it when the same wheel shall give another image
LOCK = Path(__file__).parents[2] / "dev" / "machine" / "milvus-2.3.5-requirements.txt"
MODE = 0o774
"""Of the official images: who is neither root nor of its group can read, and start nothing."""
ENVIRONMENT = ("PATH=/milvus/bin:/usr/bin:/bin", "LD_LIBRARY_PATH=/milvus/lib:/usr/lib")
PATHS = {
    "etcd_data_dir": "default.etcd",
    "local_storage_dir": "/var/lib/milvus/data/",
    "rocksmq_data_dir": "/var/lib/milvus/rdb_data",
    "system_log_path": "",
}
"""What the template leaves open, as milvus.yaml of the official images has it."""


def milvus_archive() -> Path:
    """Return an OCI archive of the image, made once: it takes some twenty seconds, and the wheel
    comes from the package index that pip is set up for.
    """
    key = hashlib.sha256(FORMAT.encode() + LOCK.read_bytes()).hexdigest()[:16]
    archive = cache_dir() / "images" / f"milvus-{key}.tar"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(archive.with_suffix(".lock")):
        if not archive.exists():
            _make(archive, archive.with_suffix(".work"))
    return archive


def _make(archive: Path, work: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    content = _unpacked(_wheel(work), work)
    layer = work / "layer"
    with LayerWriter(layer) as writer:
        for path, target in sorted(with_libraries(content), key=lambda item: item[1]):
            writer.file(path, target, MODE if target.startswith("/milvus/") else None)
    config = ImageConfig(IMAGE, (), environment=ENVIRONMENT, folder="/milvus")
    write_archive(archive, config, [layer])
    shutil.rmtree(work)


def _wheel(folder: Path) -> Path:
    download = ("-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes")
    where = ("--only-binary=:all:", "--dest", str(folder), "--requirement", str(LOCK))
    subprocess.run([sys.executable, *download, *where], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _unpacked(wheel: Path, folder: Path) -> Content:
    """Unpack the wheel's parts; return them with their paths in the image."""
    content: Content = []
    with zipfile.ZipFile(wheel) as files:
        packed = [name for name in files.namelist() if name.endswith(".lzma")]
        for name in packed:
            path = folder / Path(name).stem
            with files.open(name) as source, lzma.open(source) as plain, path.open("wb") as made:
                shutil.copyfileobj(plain, made)
            kind = "bin" if path.name == "milvus" else "lib"
            content.append((path, f"/milvus/{kind}/{path.name}"))
        settings = folder / "milvus.yaml"
        settings.write_text(_filled(files.read("milvus/data/config.yaml.template").decode()))
        glog = folder / "glog.conf"
        glog.write_bytes(files.read("milvus/data/glog.conf"))
    return [*content, *((path, f"/milvus/configs/{path.name}") for path in (settings, glog))]


def _filled(template: str) -> str:
    """Return the template with its defaults: `{{ name(type): default }}`."""

    def value(found: re.Match[str]) -> str:
        name, _, default = found[1].partition(":")
        return default.strip() or PATHS[name.partition("(")[0].strip()]

    return re.sub(r"\{\{(.*?)\}\}", value, template)
