"""What tells the engine types apart inside a pod."""

from typing import Any, NamedTuple

from quiver.domain.engines import EngineType
from quiver.domain.members import GRPC_PORT

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


class Flavor(NamedTuple):
    """A container's shape: how it is started, probed and confined, and where its data lies.

    `memory_option` is the option that bounds what the engine's searches hold, if it has one.
    """

    args: tuple[str, ...]
    memory_option: str | None
    http_port: int
    liveness_path: str
    readiness_path: str
    data_path: str
    pod_security: Json
    container_security: Json


FLAVORS: dict[EngineType, Flavor] = {
    "Quiver": Flavor(
        args=(
            "engine",
            "--data-dir=/data",
            f"--listen=0.0.0.0:{GRPC_PORT}",
            "--http=0.0.0.0:9091",
            "--log-format=json",
        ),
        memory_option="--memory",
        http_port=9091,
        liveness_path="/healthz",
        readiness_path="/readyz",
        data_path="/data",
        pod_security=_NON_ROOT,
        container_security=_LOCKED_DOWN,
    ),
    # The official images bring their entry point and configuration, run as root, and write their
    # logs beside the program: they cannot be confined as ours is.
    "Milvus1": Flavor(
        args=(),
        memory_option=None,
        http_port=19121,
        liveness_path="/system/status",
        readiness_path="/system/status",
        data_path="/var/lib/milvus/db",
        pod_security={"seccompProfile": {"type": "RuntimeDefault"}},
        container_security={"allowPrivilegeEscalation": False},
    ),
}
