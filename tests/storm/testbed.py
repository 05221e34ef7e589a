"""Everything of one storm: the control plane, two operators, four engines, the network between."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.domain.kubernetes_types import VECTOR_ENGINE
from storm.ledger import Ledger
from storm.network import Network
from storm.plane import StormyPlane
from storm.processes import Process
from storm.specs import ENGINE
from storm.timeline import Timeline
from storm.users import NAMESPACE
from storm.vectors import Vectors
from support.admin_api import connected
from support.installation import SYSTEM, install

OPERATOR_USER = f"system:serviceaccount:{SYSTEM}:quiver"
OPERATORS = ("operator-a", "operator-b")
ENGINES = ("engine-0", "engine-1", "engine-2", "engine-3")
SKEW_S = 60.0
ENGINE_PORT = 19530
FOREIGN = 3
FOREIGN_ROWS = range(1_000_000, 1_000_050)
FOREIGN_DIMENSION = 4


@dataclass(frozen=True)
class Options:
    """`resync` and `verify` are the operators' periods, in seconds."""

    seed: int
    seconds: float
    collections: int
    resync: int
    verify: int
    folder: Path


@dataclass
class Testbed:
    """What faults, users and checks work on."""

    options: Options
    random: Random
    timeline: Timeline
    network: Network
    plane: StormyPlane
    api: KubernetesClient
    vectors: Vectors
    operators: dict[str, Process]
    engines: dict[str, Process]
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def processes(self) -> dict[str, Process]:
        return {**self.operators, **self.engines}

    @property
    def endpoints(self) -> list[str]:
        return [f"{self.network.address(name)}:{ENGINE_PORT}" for name in ENGINES]

    def tend(self) -> None:
        """Start again what has ended by itself, as a kubelet does."""
        for told in (self.plane.tend(), *(p.tend() for p in self.processes.values())):
            if told:
                self.timeline.add(told)


def foreign_names() -> Iterator[str]:
    """Collections of others', on every engine; users' objects ask for names of the first kind."""
    yield "taken_0"
    yield from (f"foreign_{number}" for number in range(FOREIGN))


@asynccontextmanager
async def raised(options: Options, timeline: Timeline, network: Network) -> AsyncIterator[Testbed]:
    """Bring everything up, installed and empty but for other people's collections."""
    random = Random(options.seed)  # noqa: S311 - a seed makes a storm repeatable
    logs = options.folder
    with StormyPlane(logs / "plane", network.address("host")) as plane:
        install(plane)
        async with connected(plane.kubeconfig) as api:
            vectors = Vectors()
            operators = {name: _operator(name, plane, network, options) for name in OPERATORS}
            engines = {name: _engine(name, network, logs) for name in ENGINES}
            testbed = Testbed(
                options, random, timeline, network, plane, api, vectors, operators, engines
            )
            try:
                yield testbed
            finally:
                for process in testbed.processes.values():
                    process.kill()
                await vectors.close()


def _operator(name: str, plane: StormyPlane, network: Network, options: Options) -> Process:
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{SYSTEM}", "system:authenticated"]
    kubeconfig = plane.kubeconfig_for(OPERATOR_USER, groups)
    program = ["-m", "quiver"]
    if name == OPERATORS[1]:
        sign = 1 if options.seed % 2 else -1
        program = ["-m", "storm.skewed", str(sign * SKEW_S)]
    arguments = ["operator", "--leader-elect", "--http", "127.0.0.1:8080"]
    arguments += ["--resync-period", str(options.resync), "--verify-period", str(options.verify)]
    return Process(
        name,
        [sys.executable, *program, *arguments],
        options.folder / f"{name}.log",
        lambda: network.enter(name),
        {"KUBECONFIG": str(kubeconfig), "POD_NAMESPACE": SYSTEM, "POD_NAME": name},
    )


def _engine(name: str, network: Network, folder: Path) -> Process:
    argv = [sys.executable, "-m", "quiver", "engine", "--data-dir", str(folder / f"{name}.data")]
    argv += ["--listen", f"{network.address(name)}:{ENGINE_PORT}", "--http", "127.0.0.1:9091"]
    return Process(name, argv, folder / f"{name}.log", lambda: network.enter(name))


async def describe_engine(testbed: Testbed) -> None:
    """Create the VectorEngine that stands for the four."""
    manifest = {
        "apiVersion": VECTOR_ENGINE.api_version,
        "kind": VECTOR_ENGINE.kind,
        "metadata": {"namespace": NAMESPACE, "name": ENGINE},
        "spec": {"type": "Quiver", "external": {"endpoints": testbed.endpoints}},
    }
    await testbed.api.create(VECTOR_ENGINE, manifest)


async def move_others_in(testbed: Testbed) -> None:
    """Give every engine collections that Quiver must leave alone."""
    for endpoint in testbed.endpoints:
        for name in foreign_names():
            await testbed.vectors.create(endpoint, name, FOREIGN_DIMENSION)
            placed = (endpoint, name)
            await testbed.vectors.insert(placed, "", FOREIGN_ROWS, FOREIGN_DIMENSION)
