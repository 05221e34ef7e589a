"""Somebody deletes the CRDs under a running operator, and brings them back."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster import ControlPlane
from machine.operator_process import OperatorProcess
from quiver.domain.kubernetes_types import COLLECTIONS_CRD
from support.namespaces import Namespace
from support.release import Install, leads
from support.waiting import eventually

CRDS = Path(__file__).parents[2] / "crds"
CRD = f"crd/{COLLECTIONS_CRD.name}"


@pytest.fixture
def crd(quiver_api: ControlPlane) -> Iterator[ControlPlane]:
    """The control plane; it has the CRD again afterwards, whatever the test has done."""
    yield quiver_api
    bring_back(quiver_api)


def bring_back(plane: ControlPlane) -> None:
    plane.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={CRDS}")
    plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", CRD)


async def probed(operator: OperatorProcess) -> tuple[int, str]:
    status, text = await asyncio.to_thread(operator.get, "/readyz")
    return status, text.strip()


async def test_collections_outlive_their_crd(
    world: Namespace, releases: Install, crd: ControlPlane, tmp_path: Path
) -> None:
    """`kubectl delete crd` takes the objects and leaves the collections. The operator says what is
    missing, is not ready meanwhile, and goes on by itself when the CRD is back.
    """
    with releases().operator(tmp_path / "operator.log") as operator:
        await leads(operator)
        await world.create_collection("docs", deletionPolicy="Delete")
        await world.ready("docs")
        await asyncio.to_thread(crd.kubectl, "delete", CRD, "--timeout=60s")
        assert await world.engine.list_collections() == {"docs"}
        left = await world.told("docs", "Left")
        assert left["type"] == "Warning"
        assert f"{COLLECTIONS_CRD.name} is being deleted" in left["note"]

        async def is_missed() -> bool:
            status, text = await probed(operator)
            return status == 503 and f"no CustomResourceDefinition {COLLECTIONS_CRD.name}" in text

        await eventually(is_missed, "the operator says what is missing")
        await asyncio.to_thread(bring_back, crd)
        await leads(operator)
        await world.create_collection("docs", adoptionPolicy="IfIdentical")
        await world.ready("docs")
    log = (tmp_path / "operator.log").read_text()
    assert "Traceback" not in log
    assert "ERROR" not in log
    assert await world.engine.list_collections() == {"docs"}
