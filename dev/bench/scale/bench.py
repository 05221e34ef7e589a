"""One run's machinery: a control plane, engines, a client, a watch."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.cluster import COLLECTIONS, CRDS, NAMESPACE, OPERATOR, external_engine, is_ready, until
from bench.processes import Engine, Operator
from bench.scale.watching import Watcher, watching
from localcluster import ControlPlane
from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.adapters.kubernetes.connection import Connection, load_configuration
from quiver.control.observe.metrics import Metrics
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key
from quiver.ports.errors import ApiUnavailable

OTHERS = "others"
"""A namespace whose collections are timed while those of the first one come in thousands."""
BULK_DEADLINE_S = 120.0
BULK_BYTES = 2**28
"""The answer to a deletion lists what was deleted."""
WAIT_S = 1200.0

Say = Callable[[str], None]


class BulkApi(KubernetesClient):
    async def delete_all(self, path: str) -> None:
        """Delete all that there is, with one request unless the API server gives up on it."""
        while True:
            try:
                await self._content("DELETE", path, most=BULK_BYTES)
            except ApiUnavailable:
                continue
            return


@dataclass(kw_only=True)
class Bench:
    plane: ControlPlane
    directory: Path
    api: BulkApi
    watcher: Watcher
    addresses: list[str]
    say: Say

    def quiver(self, log: str) -> Operator:
        return Operator.quiver(self._kubeconfig(), self.directory / f"{log}.log")

    def plain_kopf(self) -> Operator:
        log = self.directory / "plain-kopf.log"
        return Operator(["-m", "bench.plain_kopf"], self.addresses, self._kubeconfig(), log)

    def _kubeconfig(self) -> Path:
        return self.plane.kubeconfig_for(OPERATOR, ["system:masters"])

    async def engine_is_ready(self) -> None:
        async def holds() -> bool:
            return all(map(is_ready, (await self.api.list(VECTOR_ENGINE)).items))

        await until(holds)

    async def delete(self, names: Sequence[str]) -> float:
        """Delete all collections; return the seconds until the last of `names` is gone."""
        begun = time.monotonic()
        await self.api.delete_all(COLLECTIONS)
        await self.watcher.until_gone(names, WAIT_S)
        return max(self.watcher.gone[name] for name in names) - begun

    async def delete_others(self) -> None:
        """Delete all collections of the other namespace."""
        found = (await self.api.list(VECTOR_COLLECTION)).items
        keys = [Key.of(manifest) for manifest in found]
        await self.api.delete_all(COLLECTIONS.replace(NAMESPACE, OTHERS))
        others = [key.name for key in keys if key.namespace == OTHERS]
        await self.watcher.until_gone(others, WAIT_S)


@asynccontextmanager
async def prepared(directory: Path, engines: int, say: Say) -> AsyncIterator[Bench]:
    """Start what a run needs.

    The engines are processes of this machine behind one external VectorEngine, so that root is not
    needed and a kubelet's work is not measured.
    """
    async with without_engines(directory, say) as bench, AsyncExitStack() as stack:
        bench.plane.create_namespace(OTHERS)
        started = [Engine(directory, f"engine-{number}") for number in range(engines)]
        for engine in started:
            stack.callback(engine.stop)
        bench.addresses += [engine.address for engine in started]
        await bench.api.create(VECTOR_ENGINE, external_engine(bench.addresses))
        yield bench


@asynccontextmanager
async def without_engines(directory: Path, say: Say) -> AsyncIterator[Bench]:
    """Start what every run needs: a control plane with the CRDs, a client and a watch."""
    async with AsyncExitStack() as stack:
        plane = stack.enter_context(ControlPlane(directory / "control-plane"))
        plane.kubectl("apply", "-f", str(CRDS))
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
        configuration = await load_configuration({"KUBECONFIG": str(plane.kubeconfig)})
        connection = Connection(configuration, Metrics())
        api = await stack.enter_async_context(BulkApi(connection, deadline=BULK_DEADLINE_S))
        watcher = await stack.enter_async_context(watching(connection))
        yield Bench(
            plane=plane,
            directory=directory,
            api=api,
            watcher=watcher,
            addresses=[],
            say=say,
        )
