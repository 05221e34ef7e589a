"""The host's side of a cluster's network: free addresses, one link, one route."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from pyroute2 import IPRoute

from localcluster.errors import LocalClusterError

LINKS = IPv4Network("198.18.0.0/16")  # set aside for tests (RFC 2544)
PODS = IPv4Network("10.244.0.0/16")


@dataclass(frozen=True)
class Plan:
    """The networks of one cluster: /29 between host and cluster, /24 of pods."""

    link: IPv4Network
    pods: IPv4Network

    @property
    def host(self) -> str:
        """The host's address on the link."""
        return str(self.link[1])

    @property
    def api(self) -> str:
        """The API server's address on the link."""
        return str(self.link[2])

    def node(self, number: int) -> str:
        """The address of node `number`, counted from 0; there is room for four."""
        return str(self.link[3 + number])


def choose_plan() -> Plan:
    """Networks that overlap with no route of this machine.

    Raises LocalClusterError when there are none.
    """
    taken = _routed_networks()

    def is_free(network: IPv4Network) -> bool:
        return not any(network.overlaps(other) for other in taken)

    link = next(filter(is_free, LINKS.subnets(new_prefix=29)), None)
    pods = next(filter(is_free, PODS.subnets(new_prefix=24)), None)
    if link and pods:
        return Plan(link, pods)
    raise LocalClusterError(
        f"every network in {LINKS} or {PODS} overlaps with a route of this machine: "
        "take a cluster down, or remove a route."
    )


def link_exists(name: str) -> bool:
    """Whether the host has a link of that name."""
    with IPRoute() as routes:
        return bool(routes.link_lookup(ifname=name))


def connect_host(name: str, plan: Plan) -> None:
    """Configure the host's end of the link and route the pods' network through it.

    Both vanish with the link, and the link with the cluster's namespace.
    """
    with IPRoute() as routes:
        index = routes.link_lookup(ifname=name)[0]
        routes.addr("add", index=index, address=plan.host, prefixlen=plan.link.prefixlen)
        routes.link("set", index=index, state="up")
        routes.route("add", dst=str(plan.pods), gateway=plan.api, oif=index)


def remove_link(name: str) -> None:
    """Remove the host's end of the link, and with it its address and route.

    A namespace goes with its last socket, and one that waits for a peer can hold it for minutes.
    """
    with IPRoute() as routes:
        for index in routes.link_lookup(ifname=name):
            routes.link("del", index=index)


def _routed_networks() -> list[IPv4Network]:
    networks = []
    with IPRoute() as routes:
        for route in routes.get_routes(family=2):
            destination = route.get_attr("RTA_DST")
            if destination is not None:
                network = f"{destination}/{route['dst_len']}"
                networks.append(IPv4Network(network, strict=False))
    return networks
