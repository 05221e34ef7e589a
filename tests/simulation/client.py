"""The API client of one process: what `KubernetesClient` is over a real connection."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import aiohttp

from quiver.control.leader.election import LEASE
from quiver.domain.kubernetes_types import CRD, EVENT, Key, Kind, Manifest
from quiver.ports.api import Keep, Listing, as_it_is
from quiver.ports.errors import ApiError, ApiUnavailable
from simulation.api_server import ApiServer
from simulation.trace import Trace
from simulation.weather import Lost, Overloaded, Weather, exchange

Answer = TypeVar("Answer")

DEADLINE_S = 10.0


class ModelClient:
    """Implements `quiver.app.ClusterApi` over the model.

    `shown` has the version of each object that this process has been shown by an answer.
    """

    server = "model"

    def __init__(
        self,
        server: ApiServer,
        weather: Weather,
        trace: Trace,
        actor: str,
        writing: Callable[[], AbstractContextManager[None]] = nullcontext,
        deadline: float = DEADLINE_S,
    ) -> None:
        """Each write is sent within a context that `writing` makes; it raises to forbid it."""
        self._server = server
        self._weather = weather
        self._trace = trace
        self._actor = actor
        self._writing = writing
        self._deadline = deadline

    def watch_session(
        self,
        on_list: Callable[[], None],  # noqa: ARG002 - the protocol's name for it
        watch_filter: Callable[[str, bytes], bool],  # noqa: ARG002
        take: Callable[[str, Iterable[Manifest]], bool],  # noqa: ARG002
    ) -> aiohttp.ClientSession:
        raise AssertionError("the model is not watched by kopf")

    async def list(
        self, kind: Kind, selector: str = "", namespace: str = "", keep: Keep = as_it_is
    ) -> Listing:
        assert not namespace, "the operator of the simulation is installed cluster-wide"
        listing = await self._call("", lambda: self._server.list(kind, selector))
        return Listing(list(map(keep, listing.items)), listing.version)

    async def some(
        self,
        kind: Kind,  # noqa: ARG002 - the protocol's name for it
        namespace: str,  # noqa: ARG002
        fields: Mapping[str, str],  # noqa: ARG002
        most: int,  # noqa: ARG002
    ) -> Sequence[Manifest]:
        return []  # nothing in the world publishes Events

    async def get(self, kind: Kind, key: Key) -> Manifest:
        if kind == CRD:
            return {"metadata": {"name": key.name}}  # nobody deletes it here
        return await self._call("", lambda: self._server.get(kind, key))

    async def patch(
        self, kind: Kind, key: Key, patch: Manifest, *, subresource: str = ""
    ) -> Manifest:
        told = f"patch {kind.kind} {key} {told_of(patch, subresource)}" if kind != LEASE else ""
        return await self._write(
            told, lambda: self._server.patch(self._actor, kind, key, patch, subresource)
        )

    async def apply(self, kind: Kind, manifest: Manifest) -> Manifest:
        told = f"apply {kind.kind} {Key.of(manifest)}"
        return await self._write(told, lambda: self._server.apply(self._actor, kind, manifest))

    async def delete(self, kind: Kind, key: Key, uid: str) -> None:
        await self._write(
            f"delete {kind.kind} {key}", lambda: self._server.delete(self._actor, kind, key, uid)
        )

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        if kind == EVENT:
            manifest = self._server.with_foretold_name(manifest)
            told = f"event {manifest['reason']} of {manifest['regarding']['name']}"
        else:
            told = f"create {kind.kind} {Key.of(manifest)}"
        return await self._write(told, lambda: self._server.create(self._actor, kind, manifest))

    async def _write(self, told: str, effect: Callable[[], Answer]) -> Answer:
        with self._writing():
            return await self._call(told, effect)

    async def _call(self, told: str, effect: Callable[[], Answer]) -> Answer:
        """`told` is for the trace; reads are left out of it."""
        if self._weather.over:
            await asyncio.Event().wait()
        loop = asyncio.get_running_loop()
        fate = self._weather.fate(loop.time(), api=True)

        def traced() -> Answer:
            outcome = "" if fate.mishap == "none" else "done, the answer gets lost"
            try:
                return effect()
            except ApiError as error:
                outcome = f"{type(error).__name__}: {error}"
                raise
            finally:
                if told:
                    self._trace.add(loop.time(), self._actor, told, outcome)

        try:
            return await exchange(traced, fate, deadline=self._deadline)
        except Lost as error:
            raise ApiUnavailable(f"the API server cannot be reached: {error}") from error
        except Overloaded as error:
            raise ApiUnavailable(str(error)) from error


def told_of(patch: Manifest, subresource: str) -> str:
    """Return what a patch writes, in a few words."""
    if subresource:
        conditions = patch[subresource].get("conditions") or [{}]
        return f"status {conditions[0].get('reason', '')}"
    metadata = patch.get("metadata", {})
    fields = [f for f in metadata if f not in ("uid", "resourceVersion")]
    fields += [f for f in patch if f != "metadata"]
    finalizers = metadata.get("finalizers", ())
    return f"{', '.join(fields)}" + (" (finalizers: none)" if finalizers is None else "")
