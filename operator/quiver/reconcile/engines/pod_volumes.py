"""The volumes of an engine's pods: its data, its Secrets and its files of settings."""

from quiver.domain.engines import EngineSpec
from quiver.domain.kubernetes_types import Manifest
from quiver.reconcile.engines.container_profiles import ContainerProfile
from quiver.reconcile.engines.pod_files import files_mount, files_volume
from quiver.reconcile.engines.pod_tls import tls_mount, tls_volume

DATA = "data"
"""The name of the volume claim's template, and so the beginning of each claim's name."""
_TMP = "/tmp"  # noqa: S108 - inside the container


def volumes(spec: EngineSpec, profile: ContainerProfile) -> list[Manifest]:
    """Return the volumes of a pod; with storage the StatefulSet adds that of the volume claim.

    A pod with storage has no emptyDir, for which `kubectl drain` would refuse it: no engine needs
    /tmp. Without storage the volumes stay as they are: a pod of another template would be a new
    one, without the vectors.
    """
    made: list[Manifest] = []
    if spec.storage is None and not profile.has_tmp_on_volume:
        made.append({"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}})
    if spec.storage is None:
        made.append({"name": DATA, "emptyDir": {}})
    if profile.files is not None:
        made.append(files_volume(profile.files))
    if spec.tls is not None:
        made.append(tls_volume(spec.tls))
    return made


def mounts(spec: EngineSpec, profile: ContainerProfile) -> list[Manifest]:
    made: list[Manifest] = [{"name": DATA, "mountPath": profile.data_path}]
    if profile.has_tmp_on_volume:
        made.append({"name": DATA, "mountPath": _TMP, "subPath": "tmp"})
    elif spec.storage is None:
        made.append({"name": "tmp", "mountPath": _TMP})
    if profile.files is not None:
        made.append(files_mount(profile.files))
    if spec.tls is not None:
        made.append(tls_mount())
    return made


def volume_claim(spec: EngineSpec) -> Manifest:
    storage = spec.storage
    assert storage is not None
    claim: Manifest = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage.size}},
    }
    if storage.class_name is not None:
        claim["storageClassName"] = storage.class_name
    return {"metadata": {"name": DATA}, "spec": claim}
