"""What a supervisor sets up in its own mount and network namespaces. Never run outside them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pyroute2 import IPRoute

from localcluster.processes import NetworkSpec, SupervisorSpec
from localcluster.system import bind, mount

UPLINK = "uplink"
SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    # Replies take the bridge while requests came by the uplink.
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
}


def prepare(spec: SupervisorSpec) -> None:
    """Set up mounts and network as the specification says."""
    for source, target in spec.private_mounts:
        _mount_privately(Path(source), Path(target))
    if spec.network is not None:
        _configure_network(spec.network)


def _mount_privately(source: Path, target: Path) -> None:
    source.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        _cover(target.parent)
        target.mkdir()
    bind(str(source), target)


def _cover(folder: Path) -> None:
    """Lay a tmpfs with the same entries over a folder: what is made in it stays in here."""
    original = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    mode = folder.stat().st_mode & 0o7777
    mount("tmpfs", folder, "tmpfs", options=f"mode={mode:o}")
    try:
        for source in Path(f"/proc/self/fd/{original}").iterdir():
            _show(source, folder / source.name)
    finally:
        os.close(original)


def _show(source: Path, target: Path) -> None:
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    if source.is_dir():
        target.mkdir()
    else:
        target.touch()
    bind(str(source), target)


def _configure_network(network: NetworkSpec) -> None:
    for name, value in SYSCTLS.items():
        (Path("/proc/sys") / name).write_text(value)
    with IPRoute() as routes:
        loopback = routes.link_lookup(ifname="lo")[0]
        routes.link("set", index=loopback, state="up")
        _add_addresses(routes, loopback, network.loopback_addresses)
        routes.link(
            "add",
            ifname=UPLINK,
            kind="veth",
            peer={"ifname": network.host_link, "net_ns_fd": network.host_namespace},
        )
        uplink = routes.link_lookup(ifname=UPLINK)[0]
        _add_addresses(routes, uplink, network.uplink_addresses)
        routes.link("set", index=uplink, state="up")


def _add_addresses(routes: IPRoute, index: int, addresses: Sequence[str]) -> None:
    for address in addresses:
        host, _, length = address.partition("/")
        routes.addr("add", index=index, address=host, prefixlen=int(length))
