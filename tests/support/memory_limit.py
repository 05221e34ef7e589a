"""An operator process with as much memory as its container has, and no more.

The limit is a cgroup's, as the kubelet sets it: at the limit the kernel ends the process. A limit
of resources (RLIMIT_AS, RLIMIT_DATA) would count what gRPC's threads reserve and never touch, which
is more than the container's limit before anything has happened. A cgroup needs root. Where there is
none, or no memory controller that is writable, the test is skipped.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml

from localcluster.cgroups import hierarchies, is_unified
from machine.operator_process import OperatorProcess
from machine.processes import MIB

VALUES = Path(__file__).parents[2] / "charts" / "quiver" / "values.yaml"


def chart_limit() -> int:
    """The memory of the operator's container, in bytes, as the chart limits it."""
    text: str = yaml.safe_load(VALUES.read_text())["resources"]["limits"]["memory"]
    assert text.endswith("Mi")
    return int(text.removesuffix("Mi")) * MIB


@contextmanager
def memory_cgroup(limit: int) -> Iterator[Path]:
    """Make a cgroup whose processes have `limit` bytes of memory together, and no swap."""
    group = _memory_root() / f"quiver-test-{uuid.uuid4().hex[:8]}"
    try:
        group.mkdir()
        name = "memory.max" if is_unified() else "memory.limit_in_bytes"
        (group / name).write_text(str(limit))
    except OSError as error:
        with suppress(OSError):
            group.rmdir()
        pytest.skip(f"memory cgroups cannot be made ({error}); run the tests as root")
    with suppress(OSError):  # there is no swap to limit
        (group / "memory.swap.max").write_text("0")
    yield group
    group.rmdir()


def _memory_root() -> Path:
    if is_unified():
        return Path("/sys/fs/cgroup")
    roots = [path for kind, path in hierarchies() if kind == "cgroup" and path.name == "memory"]
    if not roots:
        pytest.skip("no memory controller of cgroups is mounted")
    return roots[0]


class LimitedOperator(OperatorProcess):
    """`quiver operator` in a cgroup. It may dial loopback addresses, where engines of tests are."""

    def __init__(self, group: Path, kubeconfig: Path, log: Path, *arguments: str) -> None:
        environment = {"POD_NAMESPACE": "quiver-system"}
        options = ("--allow-engine-cidr", "127.0.0.0/8", *arguments)
        super().__init__(kubeconfig, log, *options, environment=environment)
        enter = f'echo $$ > {group}/cgroup.procs && exec "$@"'
        self.argv = ["sh", "-c", enter, "sh", *self.argv]

    def check_alive(self) -> None:
        """Check that the kernel has not ended it."""
        assert self.is_running, f"it ended with {self.exit_code}:\n{self.output[-2000:]}"
