"""Checks the parameters of indexes and searches against the table of index types. Pure.

Codes and their order are those of Milvus 1.x.
"""

import json
from collections.abc import Mapping
from functools import lru_cache

from quiver_engine.errors import RequestError
from quiver_engine.indexes.kinds import KINDS, IndexKind, Param, Parameters
from quiver_engine.model import MAX_PARAMS_BYTES, IndexSpec, IndexType, Metric, Schema
from quiver_proto import milvus_pb2 as pb

_METRIC = "metric_type"


def index(number: int, text: str | None, schema: Schema, *, has_gpu: bool) -> IndexSpec:
    """Return the index of this index_type and `params`.

    Raises RequestError ILLEGAL_INDEX_TYPE, ILLEGAL_ARGUMENT, ILLEGAL_DIMENSION or
    BUILD_INDEX_ERROR.
    """
    kind = _kind(number, has_gpu=has_gpu)
    if text is None and kind.build:
        raise _refused(f"extra_params have no key 'params': give {_wanted(kind.build)} as JSON")
    spec = IndexSpec(kind.type, text or "{}")
    values = _json_object(spec.params)
    _in_ranges(values, kind.build)
    _has_metric(kind, schema.metric)
    for name, param in kind.build.items():
        if name in values:
            _can_be_built(name, values[name], param, schema.dimension)
    return spec


def _kind(number: int, *, has_gpu: bool) -> IndexKind:
    offered = [kind for kind in KINDS.values() if has_gpu or kind.taken_on_cpu is None]
    try:
        kind = KINDS[IndexType(number)]
    except ValueError as error:
        raise _no_such_index(f"index_type {number} is unknown", offered) from error
    if kind.taken_on_cpu is not None and not has_gpu:
        raise _no_such_index(
            f"index_type {number} ({kind.type.name}): it needs a GPU, and this engine searches on"
            f" the CPU: take {kind.taken_on_cpu.name} ({kind.taken_on_cpu})",
            offered,
        )
    return kind


def _no_such_index(what: str, offered: list[IndexKind]) -> RequestError:
    there_are = ", ".join(f"{kind.type} ({kind.type.name})" for kind in offered)
    return RequestError(pb.ILLEGAL_INDEX_TYPE, f"{what}; there are {there_are}")


def _has_metric(kind: IndexKind, metric: Metric) -> None:
    """Raise RequestError ILLEGAL_INDEX_TYPE unless such an index can be had for the metric."""
    if metric not in kind.metrics:
        vectors = "vectors of bits" if metric.is_binary else "vectors"
        having = [other.type for other in KINDS.values() if metric in other.metrics]
        raise RequestError(
            pb.ILLEGAL_INDEX_TYPE,
            f"{kind.type.name} does not index {vectors} for the metric {metric.name}: take"
            f" {' or '.join(f'{type_.name} ({type_})' for type_ in having)}",
        )


def _can_be_built(name: str, value: int, param: Param, dimension: int) -> None:
    if param.divides_dimension and dimension % value:
        raise RequestError(
            pb.ILLEGAL_DIMENSION,
            f"dimension {dimension} is not a multiple of {name} = {value}: give a divisor of it",
        )
    if param.most_built is not None and value > param.most_built:
        raise RequestError(
            pb.BUILD_INDEX_ERROR,
            f"{name} = {value} cannot be built: give at most {param.most_built}",
        )


# There are many searches and few different texts of parameters.
@lru_cache(maxsize=256)
def search_params(text: str | None, spec: IndexSpec, topk: int) -> Mapping[str, int]:
    """Return a search's parameters, checked for the collection's index.

    Raises RequestError ILLEGAL_ARGUMENT.
    """
    values = {} if text is None else _json_object(text)
    _in_ranges(values, KINDS[spec.type].search_parameters(topk))
    return values


@lru_cache(maxsize=256)
def search_metric(text: str | None, own: Metric) -> Metric:
    """Return the metric that a search's parameters ask for, else the collection's `own`.

    Raises RequestError ILLEGAL_ARGUMENT.
    """
    values = {} if text is None else _json_object(text)
    if _METRIC not in values:
        return own
    number = values[_METRIC]
    offered = [metric for metric in Metric if metric.is_binary == own.is_binary]
    if not isinstance(number, int) or isinstance(number, bool) or number not in offered:
        there_are = ", ".join(f"{metric} ({metric.name})" for metric in offered)
        raise _refused(
            f"{_METRIC} {str(number)[:50]!r} of a search is illegal: give one of {there_are} as a"
            f" number, or none for the collection's own, {own.name}"
        )
    return Metric(number)


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


def _in_ranges(values: Mapping[str, object], wanted: Parameters) -> None:
    for name, param in wanted.items():
        if name not in values and param.is_optional:
            continue
        value = values.get(name)
        if name not in values:
            raise _refused(f"parameter {name!r} is missing: give {_wanted(wanted)} as JSON")
        least, most = param.least, param.most
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise _refused(
                f"parameter {name!r} is {str(value)[:50]!r}: give a whole number"
                f" from {least} to {most}"
            )


def _wanted(parameters: Parameters) -> str:
    return ", ".join(
        f"{name} ({param.least} to {param.most}{', may be left out' if param.is_optional else ''})"
        for name, param in parameters.items()
    )


def _refused(reason: str) -> RequestError:
    return RequestError(pb.ILLEGAL_ARGUMENT, reason)
