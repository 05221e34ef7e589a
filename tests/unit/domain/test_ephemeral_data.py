"""An engine without storage says so for as long as it holds collections."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from quiver.domain.ephemeral_data import POD_FIELDS, ephemeral_condition
from quiver.domain.kubernetes_types import Condition

CRD = Path(__file__).parents[3] / "crds" / "quiver.dev_vectorengines.yaml"
NOON, LATER = (datetime(2024, 5, 1, hour, tzinfo=UTC) for hour in (12, 13))


def condition_of(
    at_risk: bool | None, *previous: Condition, now: datetime = NOON
) -> Condition | None:
    found = ephemeral_condition(at_risk, previous, 7, now)
    return found[0] if found else None


def test_it_says_what_loses_the_vectors_and_what_to_do() -> None:
    """In one message that never changes, so that it costs one write when it comes."""
    found = condition_of(at_risk=True)
    assert found is not None
    assert (found.type, found.status, found.reason) == ("DataEphemeral", "True", "NoStorage")
    assert [field for field in POD_FIELDS if field not in found.message] == []
    assert "create a VectorEngine of another name with storage" in found.message


def test_it_stands_since_there_were_collections() -> None:
    """It goes with the last of them, and stays while nobody knows."""
    first = condition_of(at_risk=True)
    assert first is not None
    assert condition_of(True, first, now=LATER) == first
    assert condition_of(None, first, now=LATER) == first
    assert condition_of(False, first) is None
    assert condition_of(None) is None


@pytest.mark.parametrize("field", POD_FIELDS)
def test_the_description_of_a_field_says_that_a_change_loses_vectors(field: str) -> None:
    """That of spec.storage names the field as well."""
    version = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert "without storage their vectors are lost." in spec[field]["description"]
    assert field in spec["storage"]["description"]
