"""Which namespaces an engine admits."""

import asyncio
from collections.abc import Iterable

from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import NAMESPACE, Key
from quiver.ports.kubernetes import Objects

READS = 8
"""Namespaces that are read at the same time."""


class AdmittedNamespaces:
    """Reads a namespace only if the engine selects namespaces by labels, and then once: what it has
    read counts for one look at a collection.
    """

    def __init__(self, engine: VectorEngine, objects: Objects) -> None:
        self._own = engine.metadata.namespace
        self._allowed = engine.spec.allowed_namespaces
        self._objects = objects
        self._read: dict[str, bool] = {}

    async def has(self, namespace: str) -> bool:
        """Raises: ApiError."""
        return namespace in await self.among((namespace,))

    async def among(self, namespaces: Iterable[str]) -> frozenset[str]:
        """Return those of the namespaces that the engine admits. Raises: ApiError."""
        distinct = frozenset(namespaces)
        if self._allowed.from_ == "All":
            return distinct
        if self._allowed.from_ == "Selector":
            await self._read_all(distinct - self._read.keys() - {self._own})
        return frozenset(n for n in distinct if n == self._own or self._read.get(n, False))

    async def _read_all(self, namespaces: frozenset[str]) -> None:
        turns = asyncio.Semaphore(READS)

        async def read(namespace: str) -> None:
            async with turns:
                found = await self._objects.fetch(NAMESPACE, Key("", namespace))
            labels = found["metadata"].get("labels", {}) if found else {}
            self._read[namespace] = self._allowed.selector.matches(labels)

        await asyncio.gather(*map(read, sorted(namespaces)))
