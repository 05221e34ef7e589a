"""How to start, probe and confine the container of each type of engine."""

from collections.abc import Callable
from typing import Any, NamedTuple

from quiver.domain.engines import EngineType, Tls
from quiver.domain.members import GRPC_PORT
from quiver.reconcile.engines.pod_tls import tls_args

Json = dict[str, Any]

_LOCKED_DOWN: Json = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_NON_ROOT: Json = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "fsGroup": 65532,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}


class ContainerProfile(NamedTuple):
    """The container of one type of engine.

    `memory_option` is the option that bounds the memory of the engine's searches, `count_option`
    that for collections and partitions together, if it has them.
    `tls_args` returns the options that name the files of `pod_tls`, if the engine serves TLS. The
    probes' paths are of `http_port`; `data_path` is where the volume is mounted.
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
        pod_security=_NON_ROOT,
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
}
