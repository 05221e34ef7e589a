"""Talking to the containerd of a node, from outside its namespaces."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from localcluster.errors import CommandError, LocalClusterError
from localcluster.layout import Layout
from localcluster.node import CONTAINERD_SOCKET
from localcluster.teardown import supervisors


def socket_of(layout: Layout, node: str) -> Path | None:
    """The socket, seen through the node's mount namespace; None while nobody listens.

    That path is also short: a socket's may have no more than 107 bytes.
    """
    for process in supervisors(layout.node(node)):
        socket = Path(f"/proc/{process}/root{CONTAINERD_SOCKET}")
        if socket.exists():
            return socket
    return None


def import_archive(layout: Layout, ctr: Path, archive: Path, nodes: Sequence[str]) -> None:
    """Make the images of an OCI archive known to the nodes.

    Raises CommandError when a node refuses, LocalClusterError when it does not run.
    """
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda node: _import(layout, ctr, archive, node), nodes))


def _import(layout: Layout, ctr: Path, archive: Path, node: str) -> None:
    socket = socket_of(layout, node)
    if socket is None:
        raise LocalClusterError(
            f"containerd of {node} does not answer; its log is "
            f"{layout.log(f'{node}/containerd')}. Is the cluster up?"
        )
    command = [str(ctr), "--address", str(socket), "--namespace", "k8s.io"]
    command += ["images", "import", "--local", str(archive)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandError(f"{' '.join(command)} failed: {done.stderr.strip()}")
