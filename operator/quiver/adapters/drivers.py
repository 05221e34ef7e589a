"""The drivers of all engine types."""

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

from quiver.adapters.milvus.driver import MilvusEngines
from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.domain.access import Target
from quiver.domain.engines import EngineType
from quiver.ports.engines import EngineClient, Engines


class Driver(Engines, Protocol):
    """Speaks one protocol with all engines of its types."""

    async def close(self) -> None:
        """Close all connections at once. Calls in progress fail."""


DRIVERS: Mapping[EngineType, Callable[[], Driver]] = MappingProxyType(
    {"Quiver": Milvus1Engines, "Milvus1": Milvus1Engines, "Milvus": MilvusEngines}
)
"""The driver of each type. Types with the same driver share its connections."""


class Drivers:
    """Implements `quiver.ports.engines.Engines`: the type of a target selects the driver."""

    def __init__(self, drivers: Mapping[EngineType, Callable[[], Driver]] = DRIVERS) -> None:
        self._made = {make: make() for make in set(drivers.values())}
        self._of_type = {type_: self._made[make] for type_, make in drivers.items()}

    def at(self, target: Target) -> EngineClient:
        return self._of_type[target.type].at(target)

    async def close(self) -> None:
        """Close the connections of all drivers."""
        await asyncio.gather(*(driver.close() for driver in self._made.values()))
