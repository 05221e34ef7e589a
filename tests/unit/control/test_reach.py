"""What the operator says at its start of rights that it lacks."""

import logging
from typing import Any

import pytest

from quiver.control.observe.reach import log_lack_of_crd
from quiver.domain.kubernetes_types import COLLECTIONS_CRD
from quiver.domain.rights import Rights
from support.fake_cluster import FakeApi

READING = f"get CustomResourceDefinition {COLLECTIONS_CRD.name}"


@pytest.mark.parametrize(
    ("rights", "effect"),
    [
        (Rights(), "so no collection is dropped"),
        (Rights(namespaces=("team-a",)), "so its deletion would drop all collections"),
    ],
    ids=["cluster-wide", "namespaces"],
)
async def test_an_operator_that_may_not_read_the_crd_says_what_follows(
    rights: Rights, effect: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning with the API server's words; with the right it says nothing."""
    api: Any = FakeApi()
    await log_lack_of_crd(api, rights)
    assert caplog.records == []
    api.refusals[READING] = "it is forbidden"
    await log_lack_of_crd(api, rights)
    [told] = caplog.records
    assert told.levelno == logging.WARNING
    assert effect in told.getMessage()
    assert told.getMessage().endswith("it is forbidden")
