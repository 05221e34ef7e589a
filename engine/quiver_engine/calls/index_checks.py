"""Checks of CreateIndex and of a search's parameters, with Milvus 1.x's codes and ranges. Pure."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from quiver_engine.errors import RequestError
from quiver_engine.indexes.graphs import MAX_EF
from quiver_engine.model import MAX_PARAMS_BYTES, IndexSpec, IndexType, Metric, Schema
from quiver_proto import milvus_pb2 as pb


class _Range(NamedTuple):
    least: int
    most: int
    is_optional: bool = False


_NLIST = _Range(1, 65_536)
_SEARCH_LENGTH = _Range(10, 300)
_BUILD: dict[IndexType, dict[str, _Range]] = {
    IndexType.FLAT: {},
    IndexType.IVF_FLAT: {"nlist": _NLIST},
    IndexType.IVF_SQ8: {"nlist": _NLIST},
    IndexType.IVF_SQ8H: {"nlist": _NLIST},
    IndexType.IVF_PQ: {
        "nlist": _NLIST,
        "m": _Range(1, 2**31 - 1),
        "nbits": _Range(1, 16, is_optional=True),
    },
    IndexType.RNSG: {
        "search_length": _SEARCH_LENGTH,
        "out_degree": _Range(5, 300),
        "candidate_pool_size": _Range(50, 1000),
        "knng": _Range(5, 300),
    },
    IndexType.HNSW: {"M": _Range(4, 64), "efConstruction": _Range(8, 512)},
    IndexType.ANNOY: {"n_trees": _Range(1, 1024)},
}
_MAX_NBITS_OF_FAISS = 8
_ON_GPU_ONLY = {
    IndexType.IVF_SQ8H: "it needs a GPU, and this engine searches on the CPU: take IVF_SQ8 (3)",
}


def index(number: int, text: str | None, schema: Schema, *, has_gpu: bool) -> IndexSpec:
    """Return the index of this index_type and `params`; raises RequestError 8, 5, 7 or 21."""
    type_ = _type(number, {} if has_gpu else _ON_GPU_ONLY)
    if text is None and _BUILD[type_]:
        raise _refused(f"extra_params have no key 'params': give {_wanted(_BUILD[type_])} as JSON")
    spec = IndexSpec(type_, text or "{}")
    values = _json_object(spec.params)
    _in_ranges(values, _BUILD[type_])
    if schema.metric.is_binary:
        _of_bits(type_, schema.metric)
    if type_ is IndexType.IVF_PQ:
        _product_quantizer(values, schema.dimension)
    return spec


def _type(number: int, not_offered: Mapping[IndexType, str]) -> IndexType:
    try:
        type_ = IndexType(number)
    except ValueError as error:
        raise _no_such_index(f"index_type {number} is unknown", not_offered) from error
    if type_ in not_offered:
        what = f"index_type {number} ({type_.name}): {not_offered[type_]}"
        raise _no_such_index(what, not_offered)
    return type_


def _no_such_index(what: str, not_offered: Mapping[IndexType, str]) -> RequestError:
    offered = ", ".join(f"{t.value} ({t.name})" for t in _BUILD if t not in not_offered)
    return RequestError(pb.ILLEGAL_INDEX_TYPE, f"{what}; there are {offered}")


def _of_bits(type_: IndexType, metric: Metric) -> None:
    """Raise RequestError 8 for an index that cannot help with vectors of bits."""
    is_match = metric in (Metric.SUBSTRUCTURE, Metric.SUPERSTRUCTURE)
    offered = (IndexType.FLAT,) if is_match else (IndexType.FLAT, IndexType.IVF_FLAT)
    if type_ not in offered:
        raise RequestError(
            pb.ILLEGAL_INDEX_TYPE,
            f"{type_.name} does not index vectors of bits for the metric {metric.name}: take"
            f" {' or '.join(f'{other.name} ({other.value})' for other in offered)}",
        )


def _product_quantizer(values: Mapping[str, int], dimension: int) -> None:
    if dimension % values["m"]:
        raise RequestError(
            pb.ILLEGAL_DIMENSION,
            f"dimension {dimension} is not a multiple of m = {values['m']}: give a divisor of it",
        )
    if values.get("nbits", 8) > _MAX_NBITS_OF_FAISS:
        raise RequestError(
            pb.BUILD_INDEX_ERROR,
            f"nbits = {values['nbits']} cannot be built: give at most {_MAX_NBITS_OF_FAISS}",
        )


# Searches that ask alike are many, texts that they ask with are few.
@lru_cache(maxsize=256)
def search_params(text: str | None, spec: IndexSpec, topk: int) -> Mapping[str, int]:
    """Return a search's parameters, checked for the collection's index; raises RequestError 5."""
    values = {} if text is None else _json_object(text)
    match spec.type:
        case IndexType.FLAT:
            wanted = {}
        case IndexType.HNSW:
            wanted = {"ef": _Range(topk, MAX_EF)}
        case IndexType.RNSG:
            wanted = {"search_length": _SEARCH_LENGTH}
        case IndexType.ANNOY:
            wanted = {"search_k": _Range(-(2**63), 2**63 - 1)}
        case _:
            wanted = {"nprobe": _NLIST}
    _in_ranges(values, wanted)
    return values


def _json_object(text: str) -> dict[str, int]:
    if len(text.encode()) > MAX_PARAMS_BYTES:
        raise _refused(f"the value of 'params' is longer than {MAX_PARAMS_BYTES} bytes")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _not_an_object(text) from error
    if not isinstance(values, dict):
        raise _not_an_object(text)
    return values


def _not_an_object(text: str) -> RequestError:
    return _refused(
        f"the value of 'params' is not a JSON object: {text[:100]!r}; give for instance {{}}"
    )


def _in_ranges(values: Mapping[str, object], ranges: Mapping[str, _Range]) -> None:
    for name, (least, most, is_optional) in ranges.items():
        if name not in values and is_optional:
            continue
        value = values.get(name)
        if name not in values:
            raise _refused(f"parameter {name!r} is missing: give {_wanted(ranges)} as JSON")
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise _refused(
                f"parameter {name!r} is {str(value)[:50]!r}: give a whole number"
                f" from {least} to {most}"
            )


def _wanted(ranges: Mapping[str, _Range]) -> str:
    return ", ".join(
        f"{name} ({least} to {most}{', may be left out' if is_optional else ''})"
        for name, (least, most, is_optional) in ranges.items()
    )


def _refused(reason: str) -> RequestError:
    return RequestError(pb.ILLEGAL_ARGUMENT, reason)
