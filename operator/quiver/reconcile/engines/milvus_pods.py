"""Pods of Milvus: what they are told, and what they cannot do."""

from types import MappingProxyType

from quiver.domain.conditions import Verdict
from quiver.domain.engines import EngineSpec
from quiver.domain.reasons import Reason
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
)
"""Variables of the container: each is a setting of milvus.yaml, with `_` for `.`."""


def impossible_in_milvus_pods(spec: EngineSpec) -> Verdict | None:
    """Return the verdict on what Quiver's pods of Milvus cannot do. The CRD refuses it too."""
    if spec.type != "Milvus" or spec.external is not None:
        return None
    if spec.replicas > 1:
        message = (
            "spec.replicas must be 0 or 1 for pods of type Milvus, because each would be a Milvus "
            "of its own. Create a VectorEngine for each, or run a distributed Milvus and name it "
            "in spec.external."
        )
        return Verdict.stalled(Reason.INVALID_SPEC, message)
    if spec.auth is not None:
        message = (
            "spec.auth must not be given for pods of type Milvus, because Quiver runs them without "
            "users. Take it out and limit by spec.networkPolicy who may connect, or run Milvus "
            "elsewhere and name it in spec.external."
        )
        return Verdict.stalled(Reason.INVALID_SPEC, message)
    return None
