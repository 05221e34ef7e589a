"""Each type of engine is spoken to by its driver, and has all that goes with a type."""

from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from quiver.adapters.drivers import DRIVERS, Drivers
from quiver.domain.access import Target
from quiver.domain.capabilities import CAPABILITIES
from quiver.domain.engines import EngineType
from quiver.reconcile.engines.container_profiles import CONTAINER_PROFILES

CRDS = Path(__file__).parents[2] / "crds"
TYPES: tuple[EngineType, ...] = get_args(EngineType)


class OneDriver:
    """Remembers the targets that it was asked for."""

    def __init__(self) -> None:
        self.targets: list[Target] = []
        self.closed = False

    def at(self, target: Target) -> Any:
        self.targets.append(target)
        return self

    async def close(self) -> None:
        self.closed = True


class Another(OneDriver):
    pass


@pytest.mark.parametrize(
    "table",
    [DRIVERS, CAPABILITIES, CONTAINER_PROFILES],
    ids=["driver", "capabilities", "container"],
)
def test_every_type_of_engine_has_what_goes_with_a_type(table: dict[str, object]) -> None:
    """A type of the API that one of the tables lacks would fail only when somebody uses it."""
    assert set(table) == set(TYPES)


def test_the_crd_and_the_operator_know_the_same_types() -> None:
    """A type that only one of them knows could not be asked for, or not be served."""
    crd = yaml.safe_load((CRDS / "quiver.dev_vectorengines.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert schema["properties"]["spec"]["properties"]["type"]["enum"] == list(TYPES)


@pytest.mark.parametrize("type_", TYPES)
def test_pods_that_serve_tls_are_given_their_certificate(type_: EngineType) -> None:
    """And those that do not are never given options that they do not know."""
    serves_tls = CAPABILITIES[type_].pods_serve_tls
    assert (CONTAINER_PROFILES[type_].tls_args is not None) == serves_tls


async def test_the_type_of_a_target_chooses_the_driver() -> None:
    """Types of one driver share it, and with it its connections; all drivers are closed."""
    drivers = Drivers({"Quiver": OneDriver, "Milvus1": Another})
    targets = [Target("10.0.0.7:19530", "Quiver"), Target("10.0.0.7:19530", "Milvus1")]
    found: list[Any] = [drivers.at(target) for target in targets]
    assert [(type(driver), driver.targets) for driver in found] == [
        (OneDriver, targets[:1]),
        (Another, targets[1:]),
    ]
    await drivers.close()
    assert all(driver.closed for driver in found)
    shared = Drivers({"Quiver": OneDriver, "Milvus1": OneDriver})
    assert shared.at(targets[0]) is shared.at(targets[1])
