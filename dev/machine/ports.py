"""Free ports of this machine."""

import random
import socket

# Below the ephemeral range: a client that keeps dialling a stopped server on an ephemeral
# port can connect to itself and so keep the port from the server for good.
PORTS = range(20000, 32000)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 on which nobody listens. Raises OSError when there are not as many."""
    free: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as candidate:
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
        free.append(port)
        if len(free) == count:
            return free
    raise OSError(f"no {count} free ports in {PORTS}")
