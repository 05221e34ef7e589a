"""The images of the release before: today's Python and packages under that release's own code."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from imagebuild.images import IMAGES
from localcluster import Cluster
from support import before

TAG = f"before-{before.COMMIT[:7]}"
PLACE = "opt/quiver/before"
MEDIA = "application/vnd.oci.image"
SOURCES = ("operator", "engine", "proto")
METADATA = "Metadata-Version: 2.1\nName: quiver\nVersion: 0.1.0\n"
"""That release reads its version from what is installed as `quiver`."""


def reference(name: str) -> str:
    """Return what the image `operator` or `engine` of the release before is called."""
    repository, _, _ = IMAGES[name].reference.rpartition(":")
    return f"{repository}:{TAG}"


def load(cluster: Cluster, folder: Path, source: Path) -> None:
    """Make both images out of the unpacked `source`, and have the nodes know them and today's."""
    cluster.load_images(list(IMAGES))
    layer = _layer(source)
    for name in IMAGES:
        archive = folder / f"{name}.tar"
        _derive(cluster.image_archive(name), archive, layer, reference(name))
        cluster.import_image(archive, ["cpu-node"])


def _layer(source: Path) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for root in SOURCES:
            for path in sorted((source / root).rglob("*.py")):
                _add(tar, f"{PLACE}/{path.relative_to(source / root)}", path.read_bytes())
        _add(tar, f"{PLACE}/quiver-0.1.0.dist-info/METADATA", METADATA.encode())
    return written.getvalue()


def _derive(archive: Path, made: Path, layer: bytes, name: str) -> None:
    """Write an archive of the image with one layer more. Those below it are not in it: the nodes
    have them.
    """
    with tarfile.open(archive) as tar:
        config, layers = _parts(tar)
    variables = dict(each.split("=", 1) for each in config["config"]["Env"])
    variables["PYTHONPATH"] = f"/{PLACE}:{variables['PYTHONPATH']}"
    config["config"]["Env"] = [f"{key}={value}" for key, value in variables.items()]
    config["rootfs"]["diff_ids"].append(_digest(layer))
    config.pop("history", None)
    described = _encode(config)
    manifest = _encode(
        {
            "schemaVersion": 2,
            "mediaType": f"{MEDIA}.manifest.v1+json",
            "config": _descriptor("config.v1+json", described),
            "layers": [*layers, _descriptor("layer.v1.tar", layer)],
        }
    )
    entry = _descriptor("manifest.v1+json", manifest)
    entry["annotations"] = {"io.containerd.image.name": name}
    kind = f"{MEDIA}.index.v1+json"
    index = _encode({"schemaVersion": 2, "mediaType": kind, "manifests": [entry]})
    with tarfile.open(made, "w") as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(tar, "index.json", index)
        for content in (layer, described, manifest):
            _add(tar, _blob(_digest(content)), content)


def _parts(tar: tarfile.TarFile) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return an image's configuration, and descriptors of its layers.

    An archive of Docker's form has no index, and its layers are not compressed.
    """
    if "index.json" in tar.getnames():
        (entry,) = json.loads(_read(tar, "index.json"))["manifests"]
        manifest = json.loads(_read(tar, _blob(entry["digest"])))
        return json.loads(_read(tar, _blob(manifest["config"]["digest"]))), manifest["layers"]
    (found,) = json.loads(_read(tar, "manifest.json"))
    config = json.loads(_read(tar, found["Config"]))
    sizes = [tar.getmember(layer).size for layer in found["Layers"]]
    digests = config["rootfs"]["diff_ids"]
    return config, [
        {"mediaType": f"{MEDIA}.layer.v1.tar", "digest": digest, "size": size}
        for digest, size in zip(digests, sizes, strict=True)
    ]


def _descriptor(kind: str, content: bytes) -> dict[str, Any]:
    size = len(content)
    return {"mediaType": f"{MEDIA}.{kind}", "digest": _digest(content), "size": size}


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    member = tar.extractfile(name)
    assert member is not None
    return member.read()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _encode(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest.partition(':')[2]}"
