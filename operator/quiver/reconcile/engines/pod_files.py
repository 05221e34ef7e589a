"""Files of settings in an engine's pods, of annotations of the pod itself (downward API).

With ConfigMaps the operator would need the right to write those of every namespace.
"""

from collections.abc import Mapping
from typing import NamedTuple

from quiver.domain.kubernetes_types import GROUP, Manifest

_VOLUME = "settings"


class PodFiles(NamedTuple):
    """The texts of files by their names, in a folder that holds nothing else."""

    folder: str
    texts: Mapping[str, str]


def file_annotations(files: PodFiles) -> dict[str, str]:
    """Return the annotations that hold the files' texts."""
    return {_annotation(name): text for name, text in files.texts.items()}


def files_volume(files: PodFiles) -> Manifest:
    items = [
        {"path": name, "fieldRef": {"fieldPath": f"metadata.annotations['{_annotation(name)}']"}}
        for name in files.texts
    ]
    return {"name": _VOLUME, "downwardAPI": {"items": items}}


def files_mount(files: PodFiles) -> Manifest:
    return {"name": _VOLUME, "mountPath": files.folder, "readOnly": True}


def _annotation(name: str) -> str:
    return f"{GROUP}/file-{name}"
