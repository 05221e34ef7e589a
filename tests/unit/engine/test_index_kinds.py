"""The table of index types: no type without all that the engine needs of it, and all say the same.

What is tried here over every type of the protocol fails for a new one that lacks something.
"""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from quiver.adapters.milvus1.indexes import TYPES
from quiver.domain.takes import MILVUS_1_PARAMS, TAKES
from quiver_engine.compute import gpu_limits
from quiver_engine.compute.search import Asked
from quiver_engine.indexes import binary_indexes, faiss_indexes
from quiver_engine.indexes.faiss_indexes import CpuTrainer
from quiver_engine.indexes.kinds import KINDS, IndexKind, table
from quiver_engine.model import MAX_DIMENSION, IndexSpec, IndexType, Metric
from support import fake_engine
from support.index_rules import ranges_in

ROOT = Path(__file__).parents[3]
INDEXED = [type_ for type_ in IndexType if type_ is not IndexType.FLAT]
ROWS, DIMENSION, TOPK = 1000, 8, 5
RANDOM = np.random.default_rng(3)
FLOATS = RANDOM.normal(size=(ROWS, DIMENSION)).astype(np.float32)
BITS = RANDOM.integers(0, 256, (ROWS, 16), np.uint8)

NEAR = 64
"""A search parameter of this size finds nearly all rows of so few."""

every_type = pytest.mark.parametrize("type_", IndexType, ids=lambda type_: type_.name)
every_index = pytest.mark.parametrize("type_", INDEXED, ids=lambda type_: type_.name)


def spec_of(kind: IndexKind) -> IndexSpec:
    """Return the smallest index of a type, without what may be left out."""
    wanted = {name: param.least for name, param in kind.build.items() if not param.is_optional}
    return IndexSpec(kind.type, json.dumps(wanted))


def search_of(kind: IndexKind) -> dict[str, int]:
    found = kind.search_parameters(TOPK)
    return {name: min(max(param.least, NEAR), param.most) for name, param in found.items()}


@every_index
def test_an_index_of_every_type_is_built_and_searched(type_: IndexType) -> None:
    """With the least parameters of the table an index is built, and a search finds its rows."""
    kind = KINDS[type_]
    spec = spec_of(kind)
    params = search_of(kind)
    index = faiss_indexes.build(kind.recipe, spec, Metric.L2, FLOATS, lambda: True, CpuTrainer())
    distances, rows = kind.recipe.search(index, spec.values, params, FLOATS, TOPK, None)
    assert distances.shape == rows.shape == (ROWS, TOPK)
    assert (rows >= 0).all()
    wanted = kind.candidates(TOPK)
    _, found = kind.recipe.search(index, spec.values, params, FLOATS, wanted, None)
    assert (found == np.arange(ROWS)[:, None]).any(axis=1).mean() > 0.9
    assert 0 < kind.recipe.rows_read(spec.values, params, ROWS, TOPK) <= ROWS


@every_index
def test_deleted_rows_are_not_found_by_any_type(type_: IndexType) -> None:
    """Of two rows in three that are deleted none is found, and others take their places."""
    kind = KINDS[type_]
    spec = spec_of(kind)
    params = search_of(kind)
    index = faiss_indexes.build(kind.recipe, spec, Metric.IP, FLOATS, lambda: True, CpuTrainer())
    is_living = np.arange(ROWS) % 3 == 0
    living = np.packbits(is_living, bitorder="little")
    _, rows = kind.recipe.search(index, spec.values, params, FLOATS, TOPK, living)
    assert is_living[rows].all()
    assert (rows >= 0).all()


@every_index
def test_an_index_of_bits_is_built_and_searched_for_each_metric_that_has_one(
    type_: IndexType,
) -> None:
    """A type that has binary metrics finds rows of bits by each of them; others say they cannot."""
    kind = KINDS[type_]
    metrics = [metric for metric in kind.metrics if metric.is_binary]
    if not metrics:
        with pytest.raises(LookupError, match=f"{type_.name} over bits"):
            kind.recipe_of_bits  # noqa: B018 - read for its error
    for metric in metrics:
        index = kind.recipe_of_bits.build(spec_of(kind), BITS, lambda: True)
        found, _ = kind.recipe_of_bits.search(index, metric, search_of(kind), BITS[:50], 1, None)
        exact, _ = binary_indexes.brute_force(BITS, metric, BITS[:50], 1, None)
        np.testing.assert_allclose(found, exact)


@every_type
def test_a_gpu_has_room_for_what_it_can_search(type_: IndexType) -> None:
    """For an index that a GPU can search the bytes are known that it takes there; else not."""
    kind = KINDS[type_]
    values = spec_of(kind).values
    if not gpu_limits.has_index(kind, values, DIMENSION):
        with pytest.raises(LookupError, match=type_.name):
            gpu_limits.index_bytes(kind, values, ROWS, DIMENSION)
        return
    codes = ROWS * (1 + 8)
    assert gpu_limits.index_bytes(kind, values, ROWS, DIMENSION) >= codes


def test_every_type_is_shown_by_a_name_of_its_own() -> None:
    """ShowCollectionInfo tells any two types apart."""
    assert len({kind.shown_as for kind in KINDS.values()}) == len(IndexType)


def test_a_type_that_a_cpu_does_not_take_names_one_that_it_takes() -> None:
    """Who asks for an index that needs a GPU is led to one that needs none."""
    for kind in KINDS.values():
        if kind.taken_on_cpu is not None:
            assert KINDS[kind.taken_on_cpu].taken_on_cpu is None


FLAT, IVF = KINDS[IndexType.FLAT], KINDS[IndexType.IVF_FLAT]
OTHERS = [kind for kind in KINDS.values() if kind is not IVF]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (OTHERS, "IVF_FLAT has no row"),
        ([*OTHERS, IVF, IVF], "IVF_FLAT has two rows"),
        ([*OTHERS, dataclasses.replace(IVF, floats=None)], "recipes of IVF_FLAT"),
        ([*OTHERS, dataclasses.replace(IVF, bits=None)], "recipes of IVF_FLAT"),
        ([*OTHERS, dataclasses.replace(IVF, metrics=frozenset({Metric.L2}))], "of IVF_FLAT"),
    ],
)
def test_a_table_that_lacks_something_stops_the_start(rows: list[IndexKind], why: str) -> None:
    """A type without a row, with two, or with metrics that it has no recipe for, is an error."""
    with pytest.raises(LookupError, match=why):
        table(rows)


def test_a_search_looks_its_type_up_once() -> None:
    """What a search asks is one row of the table for all of its segments."""
    spec = IndexSpec(IndexType.HNSW, '{"M": 4, "efConstruction": 8}')
    asked = Asked(FLOATS, TOPK, Metric.L2, spec, {"ef": 8})
    assert asked.kind is KINDS[IndexType.HNSW]


@every_index
def test_documentation_lists_every_type_with_its_parameters(type_: IndexType) -> None:
    """The table of indexes in the documentation has a line for it that names each parameter."""
    kind = KINDS[type_]
    text = (ROOT / "docs" / "engine-indexes.md").read_text()
    line = re.search(rf"^\| {type_.value} {type_.name}\b.*$", text, re.MULTILINE)
    assert line, f"docs/engine-indexes.md has no line for {type_.value} {type_.name}"
    for name in (*kind.build, *kind.search):
        assert f"`{name}`" in line[0]


def test_the_operator_knows_the_same_types() -> None:
    """The operator has each type but FLAT, which is no index, and its driver the same numbers."""
    assert {type_.value: type_.name for type_ in INDEXED} == TYPES
    assert set(TAKES["Quiver"].indexes["L2"]) == {type_.name for type_ in INDEXED}
    for type_ in INDEXED:
        assert set(MILVUS_1_PARAMS[type_.name]) == set(ranges_of(KINDS[type_]))


def ranges_of(kind: IndexKind) -> dict[str, tuple[int, int]]:
    """Return what is said of a type outside the engine, where no dimension exceeds the largest."""
    return {
        name: (
            param.least,
            min(param.most, MAX_DIMENSION) if param.divides_dimension else param.most,
        )
        for name, param in kind.build.items()
    }


def test_the_crd_has_the_same_types_and_ranges() -> None:
    """The API takes the index types that the engine builds, with parameters in the same ranges."""
    [crd] = (ROOT / "crds").glob("*_vectorcollections.yaml")
    [version] = yaml.safe_load(crd.read_text())["spec"]["versions"]
    properties = version["schema"]["openAPIV3Schema"]["properties"]
    for part in ("spec", "status"):
        types = properties[part]["properties"]["index"]["properties"]["type"]["enum"]
        assert set(types) >= {type_.name for type_ in INDEXED}, part
    taken = ranges_in(properties["spec"]["properties"]["index"])
    wanted: dict[str, tuple[int, int]] = {}
    for kind in KINDS.values():
        for name, range_ in ranges_of(kind).items():
            assert wanted.setdefault(name, range_) == range_, f"the CRD has one range for {name}"
    assert taken == wanted


def test_the_fake_engine_has_the_same_types_and_ranges() -> None:
    """What stands in for the engine in tests of the operator refuses what the engine refuses."""
    optional = {"IVF_PQ": {"nbits": fake_engine.NBITS}}
    taken = {name: found | optional.get(name, {}) for name, found in fake_engine.RANGES.items()}
    assert taken == {type_.name: ranges_of(KINDS[type_]) for type_ in INDEXED}
