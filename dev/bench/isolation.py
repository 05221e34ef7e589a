"""`python -m bench.isolation`: what a dead engine costs the collections of another."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from bench.cluster import (
    COLLECTIONS,
    CRDS,
    NAMESPACE,
    OPERATOR,
    collection,
    each,
    external_engine,
    is_ready,
    quiet,
    until,
)
from bench.processes import Engine, Operator
from localcluster import ControlPlane
from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.adapters.kubernetes.connection import Connection, load_configuration
from quiver.control.observe.metrics import Metrics
from quiver.domain.conditions import ready_reason
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key

SILENT = "silent"


@click.command(help=__doc__)
@click.option("--dead", default=1000, show_default=True, help="Collections of the dead engine.")
@click.option("--probes", default=40, show_default=True, help="Collections that are timed.")
def main(dead: int, probes: int) -> None:
    with tempfile.TemporaryDirectory(prefix="quiver-bench-") as folder:
        directory = Path(folder)
        with ControlPlane(directory / "control-plane") as plane:
            asyncio.run(measure(plane, directory, dead, probes))


async def measure(plane: ControlPlane, directory: Path, dead: int, probes: int) -> None:
    plane.kubectl("apply", "-f", str(CRDS))
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
    engine = Engine(directory)
    kubeconfig = plane.kubeconfig_for(OPERATOR, ["system:masters"])
    operator = Operator.quiver(kubeconfig, directory / "operator.log", "--resync-period", "600")
    try:
        configuration = await load_configuration({"KUBECONFIG": str(plane.kubeconfig)})
        async with (
            KubernetesClient(Connection(configuration, Metrics())) as api,
            never_answering() as address,
        ):
            await api.create(VECTOR_ENGINE, external_engine([engine.address]))
            await run(Bench(plane, api, operator, address), dead, probes)
    finally:
        operator.stop()
        engine.stop()


@dataclass
class Bench:
    plane: ControlPlane
    api: KubernetesClient
    operator: Operator
    silent: str


async def run(bench: Bench, dead: int, probes: int) -> None:
    api = bench.api
    await timed(api, "warm-up", probes)
    before = await timed(api, "before", probes)
    await api.create(VECTOR_ENGINE, external_engine([bench.silent], SILENT))
    names = [f"dead-{number}" for number in range(dead)]
    await each(names, lambda name: api.create(VECTOR_COLLECTION, collection(name, engine=SILENT)))
    onset = await timed(api, "onset", probes)
    await until(lambda: all_told(api, dead))
    await quiet(bench.operator)
    during = await timed(api, "during", probes)
    await clear(bench)
    without = before + await timed(api, "after", probes)
    report("before and after the dead engine", without, without)
    report(f"while the dead engine's {dead} collections find it dead", onset, without)
    report(f"with a dead engine that has {dead} collections", during, without)


async def clear(bench: Bench) -> None:
    """Take the dead engine away, and all collections with it."""
    bench.plane.kubectl("delete", VECTOR_ENGINE.plural, SILENT)
    bench.plane.kubectl("delete", "--raw", COLLECTIONS)
    await quiet(bench.operator)


def report(what: str, seconds: list[float], without: list[float]) -> None:
    median, most = statistics.median(seconds), max(seconds)
    ratio = median / statistics.median(without)
    click.echo(
        f"{what}: median {median * 1000:.0f} ms, longest {most * 1000:.0f} ms to Ready,"
        f" {ratio:.2f} times"
    )


async def timed(api: KubernetesClient, prefix: str, count: int) -> list[float]:
    """Create collections one after another; return the seconds that each took to be Ready."""
    seconds = []
    for number in range(count):
        name = f"{prefix}-{number}"
        begun = time.monotonic()
        await api.create(VECTOR_COLLECTION, collection(name))
        while not is_ready(await api.get(VECTOR_COLLECTION, Key(NAMESPACE, name))):  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        seconds.append(time.monotonic() - begun)
    return seconds


async def all_told(api: KubernetesClient, dead: int) -> bool:
    """Tell whether every collection of the dead engine says that it is dead."""
    found = (await api.list(VECTOR_COLLECTION)).items
    return sum(ready_reason(manifest) == "EngineUnreachable" for manifest in found) >= dead


@asynccontextmanager
async def never_answering() -> AsyncIterator[str]:
    """Accept connections at the address, and say nothing."""
    taken: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in taken:
            writer.close()


if __name__ == "__main__":
    main()
