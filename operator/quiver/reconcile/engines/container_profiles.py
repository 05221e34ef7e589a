"""How to start, probe and confine the container of each type of engine."""

from collections.abc import Callable
from typing import Any, NamedTuple

from quiver.domain.engines import EngineSpec, EngineType, Tls
from quiver.domain.members import GRPC_PORT
from quiver.reconcile.engines.milvus_pods import DATA_PATH, MILVUS_FILES, milvus_env
from quiver.reconcile.engines.pod_files import PodFiles
from quiver.reconcile.engines.pod_tls import tls_args

Json = dict[str, Any]

_LOCKED_DOWN: Json = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def _non_root(user: int, group: int) -> Json:
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": group,
        "fsGroup": user,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


class ContainerProfile(NamedTuple):
    """The container of one type of engine.

    `memory_option` is the option that bounds the memory of the engine's searches, `count_option`
    that for collections and partitions together, if it has them.
    `env` returns the variables for a spec, `files` are files of settings.
    `tls_args` returns the options that name the files of `pod_tls`, if the engine serves TLS. The
    probes' paths are of `http_port`; `data_path` is where the volume is mounted, and with
    `has_tmp_on_volume` a folder of it is /tmp too.
    """

    args: tuple[str, ...]
    memory_option: str | None
    count_option: str | None
    tls_args: Callable[[Tls], list[str]] | None
    http_port: int
    liveness_path: str
    readiness_path: str
    data_path: str
    pod_security: Json
    container_security: Json
    env: Callable[[EngineSpec], dict[str, str]] | None = None
    files: PodFiles | None = None
    has_tmp_on_volume: bool = False


CONTAINER_PROFILES: dict[EngineType, ContainerProfile] = {
    "Quiver": ContainerProfile(
        args=(
            "engine",
            "--data-dir=/data",
            f"--listen=0.0.0.0:{GRPC_PORT}",
            "--http=0.0.0.0:9091",
            "--log-format=json",
        ),
        memory_option="--memory",
        count_option="--max-collections-and-partitions",
        tls_args=tls_args,
        http_port=9091,
        liveness_path="/healthz",
        readiness_path="/readyz",
        data_path="/data",
        pod_security=_non_root(65532, 65532),
        container_security=_LOCKED_DOWN,
    ),
    # The official images bring their entry point and configuration, run as root, and write logs
    # next to the program, so that they cannot be confined as Quiver's engine is.
    "Milvus1": ContainerProfile(
        args=(),
        memory_option=None,
        count_option=None,
        tls_args=None,
        http_port=19121,
        liveness_path="/system/status",
        readiness_path="/system/status",
        data_path="/var/lib/milvus/db",
        pod_security={"seccompProfile": {"type": "RuntimeDefault"}},
        container_security={"allowPrivilegeEscalation": False},
    ),
    # No command: the images' entry point stays the first process, and passes signals on.
    "Milvus": ContainerProfile(
        args=("milvus", "run", "standalone"),
        memory_option=None,
        count_option=None,
        tls_args=None,
        http_port=9091,
        liveness_path="/healthz",
        readiness_path="/healthz",
        data_path=DATA_PATH,
        # The official images let only the owner and the group of their program run it: root and
        # root, or in later ones milvus (999) and milvus. This user and group are good for both.
        pod_security=_non_root(999, 0),
        container_security=_LOCKED_DOWN,
        env=milvus_env,
        files=MILVUS_FILES,
        # Milvus keeps a file in /tmp while it runs, and no version says how many more.
        has_tmp_on_volume=True,
    ),
}
