"""What a plan says of a collection of the long form, in words about its fields."""

from copy import deepcopy
from typing import Any

import msgspec
import pytest

from quiver.domain.collection_schemas import (
    CollectionSchema,
    ObservedCollection,
    ObservedFieldIndex,
    ObservedLoad,
)
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.milvus_fields import FieldIndex, Function
from quiver.domain.milvus_schemas import MilvusSchema
from quiver.domain.plans import Action
from quiver.reconcile.collections.decide import decide
from quiver.reconcile.collections.decision import AlterField, AlterFunction, FieldStep
from quiver.reconcile.collections.foreseen import Foreseen, foresee
from quiver.reconcile.collections.foreseen_fields import field_phrases
from support.builders import claimed, engine
from support.gathered import HELD, gathered
from support.long_forms import (
    BM25,
    EMBEDDING,
    FIELDS,
    HNSW,
    ID,
    INVERTED,
    TAGS,
    TERMS,
    TITLE,
    long_form,
)

IVF = {"field": "embedding", "type": "IVF_FLAT", "metricType": "COSINE", "params": {"nlist": 64}}
BEFORE = long_form(indexes=[HNSW, INVERTED])
NAMED = "HNSW (COSINE, M 16, efConstruction 64)"
LONGER = {**TITLE, "maxLength": 1024, "description": "of a page"}


def indexes(spec: Manifest) -> tuple[FieldIndex, ...]:
    return msgspec.convert(spec["milvus"]["schema"], MilvusSchema).indexes


def foreseen(spec: Manifest, version: str = "v2.6.20", state: str = "Loaded") -> Foreseen:
    """Return what is said of a collection that is as `BEFORE`, and is to be as `spec` says."""
    form = msgspec.convert(BEFORE["milvus"]["schema"], MilvusSchema).form
    observed = ObservedCollection(schema=CollectionSchema(name="test01", form=form))
    noted = [msgspec.to_builtins(index) for index in indexes(BEFORE)]
    manifest = claimed(HELD, spec=spec, status={"milvus": {"indexes": noted}})
    facts: dict[str, Any] = {
        "engine": msgspec.convert(
            engine(spec={"type": "Milvus"}, status={"version": version}), VectorEngine
        ),
        "observed": observed,
        "indexes": {each.field: ObservedFieldIndex(index=each) for each in indexes(BEFORE)},
        "memory": msgspec.convert({"state": state, "replicas": 1}, ObservedLoad),
    }
    found = gathered(manifest, **facts)
    return foresee(found, decide(found))


def without(*fields: Manifest, **rest: Any) -> Manifest:
    return long_form(*fields, indexes=[HNSW, INVERTED], **rest)


CASES = {
    "a field": (without(*FIELDS, TAGS), ["add field 'tags' (VarChar)"], False),
    "a longer text with a description": (
        without(ID, LONGER, EMBEDDING),
        ["change maxLength of field 'title' to 1024", "change description of field 'title'"],
        False,
    ),
    "another index of vectors": (
        long_form(indexes=[IVF, INVERTED]),
        [f"replace index {NAMED} of field 'embedding' by IVF_FLAT (COSINE, nlist 64)"],
        True,
    ),
    "no index of a text any more": (
        long_form(indexes=[HNSW]),
        ["drop index INVERTED of field 'title'"],
        False,
    ),
    "dynamic fields": (without(*FIELDS, dynamicFields=True), ["turn dynamic fields on"], False),
}


@pytest.mark.parametrize("name", CASES)
def test_a_change_of_a_schema_is_said_in_words(name: str) -> None:
    """And whether searches suffer from it."""
    spec, phrases, interrupts = CASES[name]
    found = foreseen(spec)
    assert (found.action, list(found.what)) == (Action.CHANGE, phrases)
    assert found.interrupts is interrupts


def test_a_function_comes_with_its_field_and_the_index_of_that() -> None:
    spec = without(*FIELDS, TERMS, functions=[BM25])
    assert foreseen(spec, "v3.0.0").what == (
        "add function 'bm25' (BM25) with field 'terms' (SparseFloatVector)",
        "build index SPARSE_INVERTED_INDEX (BM25) of field 'terms'",
    )


@pytest.mark.parametrize(
    ("version", "state", "interrupts"),
    [("v2.5.10", "Loaded", True), ("v2.5.10", "NotLoaded", False), ("v2.6.20", "Loaded", False)],
)
def test_searches_suffer_where_milvus_takes_the_collection_out_of_memory(
    version: str, state: str, interrupts: bool
) -> None:
    """From 2.6.2 it drops the index of a text without that."""
    assert foreseen(long_form(indexes=[HNSW]), version, state).interrupts is interrupts


def test_what_never_changes_is_refused() -> None:
    fewer = deepcopy(long_form(ID, EMBEDDING, indexes=[HNSW]))
    assert foreseen(fewer).action is Action.REFUSED


@pytest.mark.parametrize(
    ("step", "phrase"),
    [
        (
            AlterField("a\nb", {"mmap.enabled": "true\n"}),
            "change mmap.enabled of field 'a b' to true",
        ),
        (
            AlterFunction(
                Function(name="f", type="TextEmbedding", input_fields=("a",), output_fields=("b",))
            ),
            "change parameters of function 'f'",
        ),
    ],
)
def test_names_stay_on_one_line(step: FieldStep, phrase: str) -> None:
    assert list(field_phrases(step, {})) == [phrase]
