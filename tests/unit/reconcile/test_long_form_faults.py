"""How a collection of the long form on Milvus gets to be as its spec says, whatever interrupts it.

The server is in memory: no version that adds fields or functions can be had (`fake_milvus`).
"""

from collections.abc import Callable
from typing import Any

import pytest

from quiver.domain.collection_schemas import ObservedCollection
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.milvus_fields import FieldIndex
from quiver.ports.errors import ApiRefused, EngineUnreachable
from quiver.reconcile.result import Result
from support.long_forms import (
    BM25,
    EMBEDDING,
    FIELDS,
    HNSW,
    ID,
    IMAGE,
    INVERTED,
    TAGS,
    TERMS,
    TITLE,
    long_form,
)
from support.milvus_cluster import MilvusCluster

AVAILABLE = ("Ready", "Available")
NAME, ROWS = "test01", 5000
LOST = EngineUnreachable("the connection was lost")


async def ready_cluster(spec: Manifest | None = None, version: str = "v3.0.0") -> MilvusCluster:
    cluster = MilvusCluster(spec or long_form(indexes=[HNSW]))
    cluster.tell_version(version)
    await cluster.settle()
    assert cluster.said() == AVAILABLE
    cluster.server.calls.clear()
    return cluster


async def settle(cluster: MilvusCluster) -> None:
    """Reconcile until all is as the spec says, and then once more: nothing more is done."""
    await cluster.settle()
    assert cluster.said() == AVAILABLE
    cluster.server.calls.clear()
    assert await cluster.reconcile() is Result.DONE
    reads = {"describe", "describe_load", "describe_indexes", "instance", "version"}
    assert not cluster.server.calls.keys() - reads


def types(cluster: MilvusCluster) -> dict[str, str]:
    """Return the type of the index of each field that has one."""
    found = cluster.server.describe_indexes(NAME)
    return {field: index.index.type for field, index in found.items()}


def noted(cluster: MilvusCluster) -> list[str]:
    """Return the fields whose indexes the status names."""
    indexes = cluster.get()["status"]["milvus"].get("indexes", [])
    return [index["field"] for index in indexes]


def fields(cluster: MilvusCluster) -> list[str]:
    return [field.name for field in cluster.server.found(NAME).form.fields]


async def test_a_collection_is_ready_once_it_can_be_searched() -> None:
    """All its indexes are read in one call. The status names those that the spec does."""
    cluster = await ready_cluster(long_form(*FIELDS, IMAGE, indexes=[HNSW, INVERTED]))
    await settle(cluster)
    assert types(cluster) == {"embedding": "HNSW", "title": "INVERTED", "image": "FLAT"}
    assert noted(cluster) == ["embedding", "title"]
    assert cluster.server.describe_load(NAME).state == "Loaded"
    assert "metricType" not in cluster.get()["status"]
    assert cluster.server.calls["describe_indexes"] == 1
    assert cluster.server.calls["describe_index"] == 0


async def test_a_collection_grows_by_all_that_its_spec_has_got() -> None:
    """And stays in memory."""
    cluster = await ready_cluster()
    longer = {**TITLE, "maxLength": 1024, "description": "of the document"}
    grown = (ID, longer, EMBEDDING, TAGS, IMAGE, TERMS)
    image = {**HNSW, "field": "image"}
    cluster.edit(**long_form(*grown, indexes=[HNSW, image], functions=[BM25], dynamicFields=True))
    await settle(cluster)
    form = cluster.server.found(NAME).form
    title = form.find("title")
    assert title is not None
    assert (title.max_length, title.description) == (1024, "of the document")
    assert fields(cluster) == ["id", "title", "embedding", "tags", "image", "terms"]
    assert ([function.name for function in form.functions], form.dynamic_fields) == (
        ["bm25"],
        True,
    )
    assert types(cluster) == {
        "embedding": "HNSW",
        "image": "HNSW",
        "terms": "SPARSE_INVERTED_INDEX",
    }
    assert cluster.server.describe_load(NAME).state == "Loaded"


async def test_indexes_are_replaced_and_dropped_by_field() -> None:
    """Vectors are left with brute force, where the spec no longer names an index of theirs."""
    cluster = await ready_cluster(long_form(*FIELDS, IMAGE, indexes=[HNSW, INVERTED]))
    cluster.edit(**long_form(*FIELDS, IMAGE, indexes=[{**HNSW, "metricType": "IP"}]))
    await settle(cluster)
    assert types(cluster) == {"embedding": "HNSW", "image": "FLAT"}
    (embedding,) = [i for f, i in cluster.server.describe_indexes(NAME).items() if f != "image"]
    assert embedding.index.metric_type == "IP"
    cluster.edit(**long_form(*FIELDS, IMAGE))
    await settle(cluster)
    assert types(cluster) == {"embedding": "FLAT", "image": "FLAT"}
    assert noted(cluster) == []


async def test_a_parameter_of_an_index_that_is_taken_off_goes_from_the_server() -> None:
    """A server adds those that it chooses by itself: only the status tells which was Quiver's."""
    more = {**HNSW, "params": {**HNSW["params"], "mmap.enabled": "true"}}
    cluster = await ready_cluster(long_form(indexes=[more]))
    params = cluster.server.describe_indexes(NAME)["embedding"].index.params
    assert params["mmap.enabled"] == "true"
    cluster.edit(**long_form(indexes=[HNSW]))
    await settle(cluster)
    params = cluster.server.describe_indexes(NAME)["embedding"].index.params
    assert "mmap.enabled" not in params


async def test_a_clients_index_of_text_stays() -> None:
    """Quiver never named it."""
    cluster = await ready_cluster()
    cluster.server.set_field_index(NAME, FieldIndex(field="title", type="INVERTED"))
    await settle(cluster)
    assert types(cluster)["title"] == "INVERTED"


GROWING = long_form(*FIELDS, IMAGE, TAGS, indexes=[HNSW, {**HNSW, "field": "image"}])


async def test_a_field_whose_index_was_not_set_gets_it() -> None:
    """Between the two, the reconcile ended. Without the index, the field keeps the collection from
    being loaded: after a restart it is set before the load.
    """
    cluster = await ready_cluster()
    cluster.server.refuse(LOST, "set_field_index")
    cluster.edit(**GROWING)
    assert await cluster.reconcile() is Result.RETRY
    assert cluster.said() == ("Reconciling", "EngineUnreachable")
    assert "image" in fields(cluster)
    cluster.server.restarted(forgets=True)
    cluster.server.accept()
    await settle(cluster)
    assert types(cluster)["image"] == "HNSW"
    assert cluster.server.describe_load(NAME).state == "Loaded"


async def test_an_index_that_was_dropped_and_not_set_is_set() -> None:
    """The collection was released for it, and is loaded again after it."""
    cluster = await ready_cluster()
    cluster.server.take_index(NAME, "embedding")
    await settle(cluster)
    assert types(cluster) == {"embedding": "HNSW"}
    assert cluster.server.describe_load(NAME).state == "Loaded"


def after_the_call(found: Callable[..., None]) -> Callable[..., None]:
    """Return a call that is carried out, and whose answer is lost."""

    def call(*args: Any, **named: Any) -> None:
        found(*args, **named)
        raise LOST

    return call


CALLS: dict[str, Manifest] = {
    "add_field": long_form(*FIELDS, TAGS, indexes=[HNSW]),
    "alter_field": long_form(ID, {**TITLE, "maxLength": 1024}, EMBEDDING, indexes=[HNSW]),
    "add_function": long_form(*FIELDS, TERMS, indexes=[HNSW], functions=[BM25]),
    "set_field_index": long_form(indexes=[{**HNSW, "metricType": "IP"}]),
    "drop_field_index": long_form(indexes=[HNSW]),
    "alter_properties": long_form(indexes=[HNSW], dynamicFields=True),
}


@pytest.mark.parametrize("call", CALLS)
async def test_a_call_whose_answer_is_lost_is_not_made_twice(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked first: a server refuses a field that it has."""
    cluster = await ready_cluster(long_form(indexes=[HNSW, INVERTED]))
    monkeypatch.setattr(cluster.server, call, after_the_call(getattr(cluster.server, call)))
    cluster.edit(**CALLS[call])
    assert await cluster.reconcile() is Result.RETRY
    assert cluster.said() == ("Reconciling", "EngineUnreachable")
    monkeypatch.undo()
    cluster.server.calls.clear()
    await cluster.settle()
    assert cluster.said() == AVAILABLE
    assert cluster.server.calls[call] == 0


@pytest.mark.parametrize("call", ["add_field", "alter_field", "add_function"])
async def test_a_growth_that_an_old_answer_does_not_show_is_none_to_report(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier call that timed out took effect after the look: the server refuses the second."""
    cluster = await ready_cluster(long_form(indexes=[HNSW, INVERTED]))
    old, look = cluster.server.describe(NAME), cluster.server.describe
    cluster.edit(**CALLS[call])
    await cluster.reconcile()
    answers = iter([old])

    def describe(name: str) -> ObservedCollection | None:
        return next(answers, None) or look(name)

    monkeypatch.setattr(cluster.server, "describe", describe)
    await cluster.reconcile()
    assert cluster.said()[0] != "Stalled"
    await settle(cluster)


@pytest.mark.parametrize("listed", [[HNSW, INVERTED], [INVERTED]], ids=["still", "no more"])
async def test_an_index_that_is_taken_off_while_it_is_being_set_stays_at_worst(
    listed: list[Manifest],
) -> None:
    """Nobody may be left to say in the status that it was set: it is taken for a client's."""
    cluster = await ready_cluster(long_form())
    cluster.edit(**long_form(indexes=[HNSW, INVERTED]))
    cluster.api.refusals["patch VectorCollection test01 status"] = "not now"
    with pytest.raises(ApiRefused):
        await cluster.reconcile()
    cluster.api.refusals.clear()
    cluster.edit(**long_form(indexes=listed))
    await settle(cluster)
    assert types(cluster) == {"embedding": "HNSW", "title": "INVERTED"}
    assert noted(cluster) == [index["field"] for index in listed]


async def test_a_reconcile_that_ends_early_forgets_no_index() -> None:
    """The status goes on to name those that were set, and later ones are dropped yet."""
    cluster = await ready_cluster(long_form(indexes=[HNSW, INVERTED]))
    cluster.server.refuse(LOST, "add_field")
    cluster.edit(**long_form(*FIELDS, TAGS, indexes=[HNSW]))
    await cluster.reconcile()
    assert noted(cluster) == ["embedding", "title"]
    cluster.server.accept()
    await settle(cluster)
    assert types(cluster) == {"embedding": "HNSW"}


async def test_a_long_form_that_was_dropped_is_made_anew_with_all_its_indexes() -> None:
    cluster = await ready_cluster(long_form(indexes=[HNSW, INVERTED]))
    cluster.server.drop(NAME)
    await cluster.settle()
    assert cluster.said() == ("Ready DataLost", "Available")
    assert types(cluster) == {"embedding": "HNSW", "title": "INVERTED"}


async def test_what_a_version_cannot_add_comes_after_the_upgrade() -> None:
    """Until then all else is as the spec says."""
    cluster = await ready_cluster(version="v2.5.4")
    cluster.edit(**long_form(*FIELDS, TAGS, indexes=[HNSW, INVERTED]))
    for _ in range(2):
        await cluster.settle()
        assert cluster.said() == ("Stalled", "VersionTooOld")
    assert types(cluster)["title"] == "INVERTED"
    cluster.tell_version("v2.6.4")
    await settle(cluster)
    assert "tags" in fields(cluster)


async def test_a_build_of_one_field_holds_up_the_load_of_all() -> None:
    """And the object says which field it waits for."""
    cluster = await ready_cluster()
    cluster.server.insert(NAME, ROWS)
    cluster.server.build_slowly()
    cluster.edit(**long_form(indexes=[{**HNSW, "metricType": "IP"}]))
    for _ in range(2):
        assert await cluster.reconcile() is Result.RETRY
        assert cluster.said() == ("Reconciling", "IndexBuilding")
    assert cluster.server.describe_load(NAME).state == "NotLoaded"
    cluster.server.build_rows(NAME, ROWS)
    await settle(cluster)
    assert cluster.server.describe_load(NAME).state == "Loaded"


async def test_a_collection_that_is_dropped_is_asked_for_no_index() -> None:
    """It is looked whether it is the one that the object describes, as of the short form."""
    cluster = await ready_cluster({**long_form(indexes=[HNSW]), "deletionPolicy": "Delete"})
    manifest = cluster.get()
    meta = {**manifest["metadata"], "deletionTimestamp": "2024-05-02T10:00:00Z"}
    cluster.add({**manifest, "metadata": meta})
    await cluster.reconcile()
    assert cluster.server.calls["drop"] == 1
    assert cluster.server.calls["describe_indexes"] == 0
    assert cluster.server.calls["describe_load"] == 0


async def test_a_growth_is_told_as_an_event() -> None:
    """Once, whatever the number of fields."""
    cluster = await ready_cluster()
    cluster.edit(**GROWING)
    await cluster.settle()
    assert [event.reason for event in cluster.events].count("Grown") == 1
