"""Lost vectors leave a condition, from before their collection is created anew until a user has
acknowledged the loss.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from quiver.domain.collections import VectorCollection
from quiver.domain.data_loss import ACKNOWLEDGING, DATA_LOST, with_loss
from quiver.domain.kubernetes_types import Condition, Key, Manifest
from quiver.domain.servers import Server
from quiver.ports.errors import EngineRefused
from quiver.reconcile.collections.decide import decide
from quiver.reconcile.collections.decision import CreateCollection, RecordLoss
from support.builders import NAMESPACE, claim, claimed, collection, engine, pod
from support.fake_cluster import NOON, Cluster
from support.fake_engine import FakeEngine
from support.gathered import FOUND, gathered, lapsed

KEY = Key(NAMESPACE, "test01")
ID = "0" * 32
HELD = claim(server=Server("uid-of-engine", ID, None).identity)
SCHEMA = msgspec.convert(collection(), VectorCollection).schema("Quiver")
TAGS = ("a", "b")
SPEC: Manifest = {"partitions": [*TAGS]}
STATUS: Manifest = {"origin": "Created", "partitions": [*TAGS]}
NEW: Manifest = {"origin": "Created"}
AT = "2024-05-01T12:00:00Z"
LOST = f"At {AT} collection 'test01' was gone from engine-0: its vectors are lost"


class LosingCluster(Cluster):
    """A cluster with a collection of two partitions, which an object had and its engine has not."""

    def __init__(self) -> None:
        super().__init__(engine(), pod(), claimed(HELD, spec=SPEC, status=STATUS))
        self.moment = NOON
        self.server: FakeEngine = self.engines.start("10.0.0.7:19530", instance=ID)

    def now(self) -> datetime:
        return self.moment

    async def look(self) -> Manifest | None:
        """Reconcile once; return DataLost as it stands then."""
        await self.reconciler.reconcile(KEY)
        return self.lost()

    def lost(self) -> Manifest | None:
        conditions = self.get()["status"]["conditions"]
        return next((c for c in conditions if c["type"] == DATA_LOST), None)

    def acknowledge(self, at: str) -> None:
        found = self.get()
        metadata = {**found["metadata"], "annotations": {ACKNOWLEDGING: at}}
        self.add({**found, "metadata": metadata})


async def test_a_loss_stands_in_a_condition_beside_ready() -> None:
    """It says when, where and what, and how to acknowledge it; nothing is written again."""
    cluster = LosingCluster()
    lost = await cluster.look()
    assert lost is not None
    assert (lost["status"], lost["reason"], lost["lastTransitionTime"]) == ("True", "Recreated", AT)
    assert lost["message"].startswith(LOST)
    command = f"--namespace={NAMESPACE} test01 {ACKNOWLEDGING}={AT} --overwrite"
    assert command in lost["message"]
    conditions = cluster.get()["status"]["conditions"]
    assert [(c["type"], c["status"]) for c in conditions[:1]] == [("Ready", "True")]
    writes = len(cluster.api.patches)
    assert await cluster.look() == lost
    assert len(cluster.api.patches) == writes


async def test_a_loss_is_a_warning_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """One line when it is found, with the words of the condition, and none at the next look."""
    cluster = LosingCluster()
    await cluster.look()
    await cluster.look()
    [told] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert told.startswith("collection 'test01' was gone from engine-0: its vectors are lost")


async def test_the_condition_stands_before_the_collection_is_created_anew() -> None:
    """A crash in between loses nothing of it, and a creation that fails records no second loss."""
    cluster = LosingCluster()
    full = EngineRefused("UNEXPECTED_ERROR", "the disk is full", retriable=True)
    with patch.object(cluster.server, "create", side_effect=full):
        first = await cluster.look()
        assert first is not None
        assert first["reason"] == "Recreating"
        cluster.moment += timedelta(minutes=1)
        assert await cluster.look() == first
        cluster.acknowledge(AT)
        assert await cluster.look() == first
    assert await cluster.look() is None
    assert cluster.server.describe("test01") is not None


async def test_a_loss_stands_until_it_is_acknowledged() -> None:
    """By its own time: that of another loss, or another word, acknowledges nothing."""
    cluster = LosingCluster()
    lost = await cluster.look()
    for word in ("", "yes", "2024-05-01T11:59:59Z"):
        cluster.acknowledge(word)
        assert await cluster.look() == lost
    cluster.acknowledge(AT)
    assert await cluster.look() is None
    assert await cluster.look() is None


async def test_a_second_loss_shows_anew() -> None:
    """After an acknowledgement by itself; before one beside the first, with a time of its own."""
    cluster = LosingCluster()
    await cluster.look()
    cluster.moment += timedelta(hours=1)
    cluster.server.drop("test01")
    second = await cluster.look()
    assert second is not None
    later = "2024-05-01T13:00:00Z"
    assert second["lastTransitionTime"] == later
    assert second["message"].startswith(LOST.replace(AT, later))
    assert LOST in second["message"]
    assert second["message"].count("To acknowledge") == 1
    cluster.acknowledge(AT)
    assert await cluster.look() == second
    cluster.acknowledge(later)
    assert await cluster.look() is None
    cluster.moment += timedelta(hours=1)
    cluster.server.drop("test01")
    third = await cluster.look()
    assert third is not None
    assert third["lastTransitionTime"] == "2024-05-01T14:00:00Z"
    assert LOST not in third["message"]


async def test_a_second_loss_in_the_same_second_is_not_acknowledged_with_the_first() -> None:
    """Its time is that of the next second."""
    cluster = LosingCluster()
    await cluster.look()
    cluster.acknowledge(AT)
    assert await cluster.look() is None
    cluster.server.drop("test01")
    second = await cluster.look()
    assert second is not None
    assert second["lastTransitionTime"] == "2024-05-01T12:00:01Z"


async def test_a_lost_partition_is_named() -> None:
    """The others and the collection itself are as they were."""
    cluster = LosingCluster()
    cluster.server.create(SCHEMA)
    cluster.server.create_partition("test01", "a")
    lost = await cluster.look()
    assert lost is not None
    assert f"At {AT} partition of collection 'test01' ('b') was gone" in lost["message"]
    assert [e.reason for e in cluster.events] == ["Recreated"]
    assert "partition of collection 'test01' ('b') was gone" in cluster.events[0].note


async def test_an_object_that_cannot_be_read_keeps_its_loss() -> None:
    """A spec from under a looser CRD takes away no trace."""
    cluster = LosingCluster()
    lost = await cluster.look()
    found = cluster.get()
    cluster.add({**found, "spec": {**found["spec"], "dimension": 0}})
    assert await cluster.look() == lost
    assert cluster.get()["status"]["conditions"][0]["reason"] == "InvalidSpec"


NO_LOSS: list[tuple[str, dict[str, Any]]] = [
    ("it never was there", {"manifest": claimed(HELD)}),
    ("it is there", {"manifest": claimed(HELD, status=STATUS), "observed": FOUND}),
    ("a new partition", {"manifest": claimed(HELD, spec=SPEC, status=NEW), "observed": FOUND}),
]


@pytest.mark.parametrize("facts", [c[1] for c in NO_LOSS], ids=[c[0] for c in NO_LOSS])
def test_what_was_never_there_is_not_lost(facts: dict[str, Any]) -> None:
    """Nothing is recorded where a collection or a partition is created for the first time."""
    assert RecordLoss not in [type(step) for step in decide(gathered(**facts)).steps]


def test_vectors_that_went_with_their_server_are_lost() -> None:
    """The collection is created on the server that is there now, and the condition says so."""
    decision = decide(lapsed())
    (loss,) = [step.what for step in decision.steps if isinstance(step, RecordLoss)]
    assert "was gone from engine-0, which is another server now" in loss
    kinds = [type(step) for step in decision.steps]
    assert kinds.index(RecordLoss) < kinds.index(CreateCollection)


def test_what_a_server_had_under_the_name_may_be_the_same_data() -> None:
    """Adopted from another server, it is not called lost."""
    manifest = claimed(HELD, spec={"adoptionPolicy": "IfIdentical"}, status=STATUS)
    decision = decide(lapsed(manifest, observed=FOUND))
    assert RecordLoss not in [type(step) for step in decision.steps]


def test_many_losses_stay_within_bounds() -> None:
    """The newest are told first, and how to acknowledge them always."""
    metadata = msgspec.convert(collection(), VectorCollection).metadata
    conditions: tuple[Condition, ...] = ()
    for number in range(200):
        now = datetime(2024, 5, 1, tzinfo=UTC) + timedelta(seconds=number)
        what = f"partition of collection 'c' ({'x' * 300}\n) was gone from engine-0."
        conditions = with_loss(what, conditions, metadata, now)
    (lost,) = conditions
    assert len(lost.message) < 4096
    assert "\n" not in lost.message
    assert lost.message.startswith("At 2024-05-01T00:03:19Z")
    assert lost.message.endswith(f"{ACKNOWLEDGING}=2024-05-01T00:03:19Z --overwrite")
