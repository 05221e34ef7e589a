"""Offer N pretend GPUs as `nvidia.com/gpu`: `python -m localcluster.deviceplugin N`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from localcluster.deviceplugin import v1beta1_pb2 as messages
from localcluster.deviceplugin import v1beta1_pb2_grpc as services

FOLDER = Path("/var/lib/kubelet/device-plugins")
KUBELET_SOCKET = FOLDER / "kubelet.sock"
OWN_SOCKET = FOLDER / "localcluster-gpu.sock"
RESOURCE = "nvidia.com/gpu"
POLL_S = 0.1
REGISTER_TIMEOUT_S = 5.0


class PretendGpus(services.DevicePluginServicer):
    """Healthy devices that are /dev/null inside the container."""

    def __init__(self, count: int) -> None:
        """Offer `count` devices, `GPU-0` and so on."""
        self._names = [f"GPU-{number}" for number in range(count)]

    def GetDevicePluginOptions(  # noqa: N802 - gRPC's names
        self,
        request: messages.Empty,  # noqa: ARG002
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> messages.DevicePluginOptions:
        """No options."""
        return messages.DevicePluginOptions()

    def ListAndWatch(  # noqa: N802
        self,
        request: messages.Empty,  # noqa: ARG002
        context: grpc.ServicerContext,
    ) -> Iterator[messages.ListAndWatchResponse]:
        """All devices, once; then hold the stream open, for its end means that they are gone."""
        devices = [messages.Device(ID=name, health="Healthy") for name in self._names]
        yield messages.ListAndWatchResponse(devices=devices)
        while context.is_active():
            time.sleep(POLL_S)

    def Allocate(  # noqa: N802
        self,
        request: messages.AllocateRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> messages.AllocateResponse:
        """Tell each container its devices as NVIDIA's plugin does."""
        answers = [_allocation(list(asked.devices_ids)) for asked in request.container_requests]
        return messages.AllocateResponse(container_responses=answers)


def _allocation(names: list[str]) -> messages.ContainerAllocateResponse:
    devices = [
        messages.DeviceSpec(
            container_path=f"/dev/nvidia{name.removeprefix('GPU-')}",
            host_path="/dev/null",
            permissions="rw",
        )
        for name in names
    ]
    visible = {"NVIDIA_VISIBLE_DEVICES": ",".join(names)}
    return messages.ContainerAllocateResponse(envs=visible, devices=devices)


def serve(count: int) -> None:
    """Serve for ever; register anew whenever the kubelet has started again.

    A starting kubelet empties the folder and makes its socket new: its inode tells.
    """
    while True:
        kubelet = _wait_for_kubelet()
        server = grpc.server(ThreadPoolExecutor(max_workers=4))
        services.add_DevicePluginServicer_to_server(PretendGpus(count), server)
        OWN_SOCKET.unlink(missing_ok=True)
        server.add_insecure_port(f"unix://{OWN_SOCKET}")
        server.start()
        _register()
        while _inode(KUBELET_SOCKET) == kubelet and OWN_SOCKET.exists():
            time.sleep(POLL_S)
        server.stop(grace=None)


def _register() -> None:
    request = messages.RegisterRequest(
        version="v1beta1", endpoint=OWN_SOCKET.name, resource_name=RESOURCE
    )
    with grpc.insecure_channel(f"unix://{KUBELET_SOCKET}") as channel:
        services.RegistrationStub(channel).Register(
            request, timeout=REGISTER_TIMEOUT_S, wait_for_ready=True
        )


def _wait_for_kubelet() -> int:
    while (inode := _inode(KUBELET_SOCKET)) is None:
        time.sleep(POLL_S)
    return inode


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    serve(int(sys.argv[1]))
