"""Logs and metrics of a report, through the API server."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote, urlencode

import aiohttp

from quiver.adapters.kubernetes.pages import TooLong, read_bounded
from quiver.commands.bundle import Bundle
from quiver.commands.cluster import Cluster
from quiver.domain.kubernetes_types import Key, Manifest
from quiver.domain.redaction import Redaction
from quiver.domain.text import one_line
from quiver.ports.errors import PortError

LOG_BYTES = 4 * 2**20
"""Of one container: the API server cuts what is longer."""
METRICS_BYTES = 16 * 2**20
METRICS_DEADLINE_S = 15.0
AT_ONCE = 4
OPERATOR_PORT, ENGINE_PORT = 8080, 9091


class _Log(NamedTuple):
    """A log of a container; that of its last life, if `previous`."""

    pod: Key
    container: str
    previous: bool

    @property
    def name(self) -> str:
        ending = ".previous.log" if self.previous else ".log"
        return f"namespaces/{self.pod.namespace}/logs/{self.pod.name}/{self.container}{ending}"


class PodTexts:
    """Reads logs and metrics of pods, and puts them into a bundle."""

    def __init__(self, cluster: Cluster, redaction: Redaction, bundle: Bundle) -> None:
        self._cluster = cluster
        self._redaction = redaction
        self._bundle = bundle
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def add(self, pods: Sequence[Manifest], port: int, lines: int) -> None:
        """Add the logs of the pods' containers, and what they serve at `/metrics` of the port."""
        logs = [log for pod in pods for log in _logs(pod)]
        await asyncio.gather(*(self._log(log, lines) for log in logs))
        await asyncio.gather(*(self._metrics(Key.of(pod), port) for pod in pods))

    async def _log(self, log: _Log, lines: int) -> None:
        asked = {"container": log.container, "tailLines": lines, "limitBytes": LOG_BYTES}
        query = urlencode({**asked, "previous": str(log.previous).lower()})
        place, name = quote(log.pod.namespace, safe=""), quote(log.pod.name, safe="")
        path = f"/api/v1/namespaces/{place}/pods/{name}/log?{query}"
        async with self._turns:
            if self._bundle.is_full:
                self._bundle.lacks[log.name] = "the bundle is full"
                return
            try:
                content = await self._cluster.api.read(path, 2 * LOG_BYTES)
            except PortError as error:
                self._bundle.lacks[log.name] = one_line(str(error))
                return
            text = await asyncio.to_thread(self._redaction.text, content.decode(errors="replace"))
            self._bundle.add(log.name, text)

    async def _metrics(self, pod: Key, port: int) -> None:
        name = f"namespaces/{pod.namespace}/metrics/{pod.name}.txt"
        async with self._turns:
            try:
                async with asyncio.timeout(METRICS_DEADLINE_S):
                    text = await self._scraped(await self._cluster.engines.way(pod, port))
            except TimeoutError:
                self._bundle.lacks[name] = f"no answer within {METRICS_DEADLINE_S:g} s"
            except (aiohttp.ClientError, OSError, TooLong) as error:
                self._bundle.lacks[name] = f"not reached through the API server: {error}"
            else:
                self._bundle.add(name, self._redaction.text(text))

    async def _scraped(self, address: str) -> str:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{address}/metrics", allow_redirects=False) as answer,
        ):
            content = await read_bounded(answer, METRICS_BYTES)
            if answer.status != 200:
                raise OSError(f"HTTP {answer.status}")
            return content.decode(errors="replace")


def _logs(pod: Manifest) -> Iterator[_Log]:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    states = [
        *(status.get("containerStatuses") or ()),
        *(status.get("initContainerStatuses") or ()),
    ]
    again = {state.get("name") for state in states if state.get("restartCount")}
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        yield _Log(Key.of(pod), container["name"], previous=False)
        if container["name"] in again:
            yield _Log(Key.of(pod), container["name"], previous=True)
