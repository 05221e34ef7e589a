"""What the container of a standalone Milvus is told: its settings, and those of its etcd."""

from quiver.domain.engines import EngineSpec
from quiver.reconcile.engines.pod_files import PodFiles

DATA_PATH = "/var/lib/milvus"
_ETCD_FILE = "etcd.yaml"
_FOLDER = "/etc/quiver"
# Milvus writes to its etcd every few seconds for as long as it runs. Without compaction that would
# fill etcd's quota of 2 GiB within months, and Milvus would stop. Only a file can say it. What it
# leaves out stays as etcd has it: etcd listens on the loopback interface alone.
_ETCD_SETTINGS = """\
quota-backend-bytes: 4294967296
auto-compaction-mode: revision
auto-compaction-retention: '1000'
"""
MILVUS_FILES = PodFiles(_FOLDER, {_ETCD_FILE: _ETCD_SETTINGS})


def milvus_env(spec: EngineSpec) -> dict[str, str]:
    """Return the container's variables: each is a setting of milvus.yaml, with `_` for `.`."""
    env = {
        "DEPLOY_MODE": "STANDALONE",
        "COMMON_STORAGETYPE": "local",
        "ETCD_USE_EMBED": "true",
        "ETCD_DATA_DIR": f"{DATA_PATH}/etcd",
        "ETCD_CONFIG_PATH": f"{_FOLDER}/{_ETCD_FILE}",
    }
    if spec.milvus is not None and spec.milvus.segment_max_size is not None:
        env["DATACOORD_SEGMENT_MAXSIZE"] = str(spec.milvus.segment_max_size)
    return env
