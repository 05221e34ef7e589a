"""The API server and engines for a plan: what it reads it may not write, and asks but once."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.control.work.interception import EngineCall, InterceptedClient
from quiver.domain.access import Target
from quiver.domain.collection_schemas import ObservedCollection
from quiver.domain.kubernetes_types import CRD, NAMESPACE, NODE, SECRET, Key, Kind, Manifest
from quiver.domain.text import one_line
from quiver.ports.api import Keep, Listing, as_it_is
from quiver.ports.engines import EngineClient, Engines
from quiver.ports.errors import (
    ApiError,
    ApiRefused,
    EngineRefused,
    EngineUnreachable,
    NotFound,
)

Answer = TypeVar("Answer")
ONCE = (NODE, CRD, NAMESPACE)
"""Kinds of which many collections ask for the same object."""


class NotAllowed(ApiError):
    """The caller may not read what the plan depends on."""


class Once:
    """Asks a question once, however many want the answer."""

    def __init__(self) -> None:
        self._asked: dict[Hashable, asyncio.Task[Any]] = {}

    async def of(self, question: Hashable, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        if question not in self._asked:
            self._asked[question] = asyncio.create_task(_awaited(ask))
        answer: Answer = await asyncio.shield(self._asked[question])
        return answer


async def _awaited(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    return await ask()


class ReadOnlyApi:
    """Implements `quiver.ports.api.Api`, but for its writes.

    What the operator may read, and the caller may not, is taken for absent, and said in `notes`.
    With `strict` Secrets are not: reading one raises NotAllowed.
    """

    def __init__(self, api: KubernetesClient, notes: set[str], *, strict: bool = False) -> None:
        self._api = api
        self._notes = notes
        self._strict = strict
        self._once = Once()

    async def list(
        self, kind: Kind, selector: str = "", namespace: str = "", keep: Keep = as_it_is
    ) -> Listing:
        return await self._api.list(kind, selector, namespace, keep)

    async def some(
        self, kind: Kind, namespace: str, fields: Mapping[str, str], most: int
    ) -> Sequence[Manifest]:
        try:
            return await self._api.some(kind, namespace, fields, most)
        except ApiRefused:
            return ()

    async def get(self, kind: Kind, key: Key) -> Manifest:
        if kind in ONCE:
            return await self._once.of((kind, key), lambda: self._get(kind, key))
        return await self._get(kind, key)

    async def _get(self, kind: Kind, key: Key) -> Manifest:
        try:
            return await self._api.get(kind, key)
        except ApiRefused as error:
            words = one_line(str(error), 300)
            if kind is NAMESPACE or (kind is SECRET and self._strict):
                raise NotAllowed(words) from error
            self._notes.add(f"{kind.plural} were not looked at: {words}")
            if kind is CRD:
                return {"metadata": {}}
            raise NotFound(words) from error

    async def patch(self, *_: Any, **__: Any) -> NoReturn:
        _never()

    async def apply(self, *_: Any) -> NoReturn:
        _never()

    async def delete(self, *_: Any) -> NoReturn:
        _never()

    async def create(self, *_: Any) -> NoReturn:
        _never()


class NoEvents:
    """Implements `quiver.ports.kubernetes.EventRecorder`: a plan publishes none."""

    async def record(self, *_: Any) -> NoReturn:
        _never()


class ReadOnlyEngines:
    """Implements `quiver.ports.engines.Engines`. Which server it is, and which collections it has,
    is asked once; a server that is silent twice is not asked again.
    """

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._silent: dict[Target, str] = {}
        self.once = Once()

    def at(self, target: Target) -> EngineClient:
        return _Client(self._engines.at(target), target, self)

    async def __call__(self, call: EngineCall[Answer]) -> Answer:
        if call.changes:
            _never()
        server = call.target.connection
        for is_last in (False, True):
            if server in self._silent:
                raise EngineUnreachable(self._silent[server])
            try:
                return await call.send()
            except EngineUnreachable as error:
                if is_last:
                    self._silent[server] = str(error)
                    raise
        raise AssertionError("the last try returns or raises")


class _Client(InterceptedClient):
    def __init__(self, client: EngineClient, target: Target, engines: ReadOnlyEngines) -> None:
        super().__init__(client, target, engines)
        self._once = engines.once

    async def instance(self) -> str | None:
        return await self._once.of((self._target, "instance"), super().instance)

    async def describe(self, name: str) -> ObservedCollection | None:
        if self.loads is None and not await self._may_have(name):
            return None
        return await super().describe(name)

    async def _may_have(self, name: str) -> bool:
        try:
            question = (self._target, "collections")
            return name in await self._once.of(question, self.list_collections)
        except EngineRefused:
            return True


def _never() -> NoReturn:
    raise AssertionError("a plan writes nothing")
