"""What a VectorCollection may ask of an engine, by the engine's type.

The chart's admission policy `engine-takes` has the same table, and refuses the rest early.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from quiver.domain.collection_names import DEFAULT_DATABASE
from quiver.domain.collections import CollectionSpec
from quiver.domain.engines import EngineSpec, EngineType
from quiver.domain.indexes import Index
from quiver.domain.milvus_features import features_of_schema
from quiver.domain.milvus_versions import (
    Feature,
    MilvusVersion,
    can,
    feature_of_index,
    feature_of_metric,
    needed,
)

_IVF = ("nlist",)
MILVUS_1_PARAMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "IVF_FLAT": _IVF,
        "IVF_SQ8": _IVF,
        "IVF_SQ8H": _IVF,
        "IVF_PQ": ("nlist", "m", "nbits"),
        "HNSW": ("M", "efConstruction"),
        "RNSG": ("search_length", "out_degree", "candidate_pool_size", "knng"),
        "ANNOY": ("n_trees",),
    }
)
"""The index types of Milvus 1.x, with the names of their parameters."""
_MILVUS_1_BITS = ("IVF_FLAT",)
_FLOATS = ("IVF_FLAT", "IVF_SQ8", "IVF_PQ", "HNSW", "AUTOINDEX", "DISKANN", "SCANN")
_GPU = ("GPU_CAGRA", "GPU_IVF_FLAT", "GPU_IVF_PQ", "GPU_BRUTE_FORCE")


@dataclass(frozen=True, kw_only=True)
class Takes:
    """What engines of a type take: `indexes` has each metric with the index types over it.

    `params` has the parameters that an index takes; None if only the server knows them.
    `has_milvus` tells whether it takes spec.milvus, `has_segment_size` whether each collection has
    an indexFileSize of its own.
    """

    indexes: Mapping[str, tuple[str, ...]]
    params: Mapping[str, tuple[str, ...]] | None
    has_milvus: bool
    has_segment_size: bool


_MILVUS_1 = Takes(
    indexes=MappingProxyType(
        {
            "L2": tuple(MILVUS_1_PARAMS),
            "IP": tuple(MILVUS_1_PARAMS),
            "HAMMING": _MILVUS_1_BITS,
            "JACCARD": _MILVUS_1_BITS,
            "TANIMOTO": _MILVUS_1_BITS,
            "SUBSTRUCTURE": (),
            "SUPERSTRUCTURE": (),
        }
    ),
    params=MILVUS_1_PARAMS,
    has_milvus=False,
    has_segment_size=True,
)
_MILVUS = Takes(
    indexes=MappingProxyType(
        {
            "L2": (*_FLOATS, *_GPU),
            "IP": (*_FLOATS, *_GPU),
            "COSINE": _FLOATS,
            "HAMMING": ("IVF_FLAT",),
            "JACCARD": ("IVF_FLAT",),
            "SUBSTRUCTURE": (),
            "SUPERSTRUCTURE": (),
        }
    ),
    params=None,
    has_milvus=True,
    has_segment_size=False,
)
TAKES: Mapping[EngineType, Takes] = MappingProxyType(
    {"Quiver": _MILVUS_1, "Milvus1": _MILVUS_1, "Milvus": _MILVUS}
)


def refusals(spec: CollectionSpec, metric: str | None, engine: EngineSpec) -> Iterator[str]:
    """Yield a sentence for each thing in the spec that engines of this type do not take: what it
    is, and what is allowed. `metric` is the collection's, named or not; None for a long form, whose
    own rules say which metrics and indexes it takes.
    """
    type_, takes = engine.type, TAKES[engine.type]
    if metric is not None and metric not in takes.indexes:
        yield (
            f"spec.metricType {metric} is not taken by engines of type {type_}: these take "
            f"{', '.join(takes.indexes)}."
        )
    elif spec.index is not None and metric is not None:
        yield from _index_refusals(spec.index, metric, type_)
    if spec.milvus is not None and not takes.has_milvus:
        cure = "take it out" if spec.form is None else "give spec.dimension in its place"
        yield (
            f"spec.milvus is for engines of type Milvus alone, and this one is of type {type_}: "
            f"{cure}."
        )
    if not takes.has_segment_size:
        yield from _size_refusals(spec.index_file_size, engine)


def what_is_too_new(
    spec: CollectionSpec, metric: str | None, version: MilvusVersion | None
) -> Iterator[str]:
    """Yield a phrase for each thing in the spec that this version of Milvus cannot do: what it is,
    and which version could. Of an unknown version nothing is known.
    """
    for feature in _features(spec, metric):
        if not can(version, feature):
            yield needed(feature)


def _features(spec: CollectionSpec, metric: str | None) -> Iterator[Feature]:
    milvus = spec.milvus
    found = [feature_of_metric(metric or "")]
    if spec.form is not None:
        found += features_of_schema(spec.form)
    if spec.index is not None:
        found.append(feature_of_index(spec.index.type))
    if milvus is not None and milvus.database not in (None, DEFAULT_DATABASE):
        found.append(Feature.DATABASES)
    if milvus is not None and "mmap.enabled" in milvus.properties:
        found.append(Feature.MMAP)
    if any("-" in tag for tag in spec.partitions):
        found.append(Feature.HYPHENS_IN_PARTITIONS)
    yield from (feature for feature in found if feature is not None)


def _index_refusals(index: Index, metric: str, type_: EngineType) -> Iterator[str]:
    takes = TAKES[type_]
    allowed = takes.indexes[metric]
    if index.type not in allowed:
        these = f"these take {', '.join(allowed)}" if allowed else "leave spec.index out"
        yield (
            f"spec.index.type {index.type} is not taken by engines of type {type_} for {metric}: "
            f"{these}."
        )
    elif takes.params is not None:
        known = takes.params[index.type]
        unknown = sorted(index.params.keys() - set(known))
        if unknown:
            yield (
                f"spec.index.params has {', '.join(map(repr, unknown[:3]))}, and engines of type "
                f"{type_} take {', '.join(known)} for {index.type}."
            )


def _size_refusals(size: int | None, engine: EngineSpec) -> Iterator[str]:
    told = engine.milvus.segment_max_size if engine.milvus is not None else None
    if size is None or size == told:
        return
    why = (
        f"spec.indexFileSize {size} is not taken: Milvus has no segment size for each collection, "
        "only dataCoord.segment.maxSize for all of them"
    )
    if told is None:
        yield (
            f"{why}. Leave it out, or have the VectorEngine tell the server's in "
            "spec.milvus.segmentMaxSize."
        )
    else:
        yield f"{why}, which is {told} here. Leave it out, or take {told}."
