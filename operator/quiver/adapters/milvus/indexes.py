"""Indexes over the protocol of Milvus 2.x: one on the field `vector`, which has the metric too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from quiver.adapters.grpc.errors import unreadable
from quiver.adapters.milvus.answers import MOST_ENTRIES
from quiver.adapters.milvus.calls import Calls, entries_in, pairs
from quiver.adapters.milvus.errors import INDEX_NOT_FOUND, PROTOCOL, UNEXPECTED
from quiver.adapters.milvus.names import Place
from quiver.adapters.milvus.schemas import VECTOR_FIELD
from quiver.domain.collections import Index, IndexProgress, ObservedIndex
from quiver.domain.text import one_line
from quiver.ports.errors import EngineRefused
from quiver_proto import milvus2_pb2 as pb

FLAT, BINARY_FLAT = "FLAT", "BIN_FLAT"
BINARY_TYPES = {FLAT: BINARY_FLAT, "IVF_FLAT": "BIN_IVF_FLAT"}
"""The names that Milvus has for the same index of bits."""
_PLAIN_TYPES = {name: plain for plain, name in BINARY_TYPES.items()}
DEFAULT_METRIC, DEFAULT_BINARY_METRIC = "L2", "HAMMING"
"""Servers take no index without a metric."""
UNFINISHED = (pb.UNISSUED, pb.IN_PROGRESS, pb.RETRY)
WORD = 255
"""Characters of a parameter's name or value, and of a metric."""
_NOT_PARAMETERS = frozenset({"index_type", "metric_type", "params"})


class Found(NamedTuple):
    """The index of the field `vector` as a server describes it.

    `entries` are the server's own words, by which it makes the same index again.
    """

    name: str
    entries: Mapping[str, str]
    observed: ObservedIndex

    @property
    def type_(self) -> str:
        """Milvus' name of the type."""
        return one_line(self.entries.get("index_type", ""), WORD)

    @property
    def metric_type(self) -> str | None:
        return one_line(self.entries.get("metric_type", ""), WORD) or None

    def is_met(self, type_: str, index: Index | None, metric_type: str | None) -> bool:
        """Tell whether nothing is to be done for an index of this type, Milvus' name of it."""
        if self.observed.failure is not None or self.type_ != type_:
            return False
        if metric_type is not None and metric_type != self.metric_type:
            return False
        return index is None or index.is_met_by(self.observed.index)


async def find_index(calls: Calls, place: Place) -> Found | None:
    """Return the index of the field `vector`; None while there is none. Raises: EngineError."""
    request = pb.DescribeIndexRequest(db_name=place.db_name, collection_name=place.collection)
    try:
        answer = await calls.read(lambda stub: stub.DescribeIndex, request)
    except EngineRefused as error:
        if error.code == INDEX_NOT_FOUND:
            return None
        if error.code == UNEXPECTED and await calls.find(place) is not None:
            return None  # Milvus 2.2 has no code for it
        raise
    if len(answer.index_descriptions) > MOST_ENTRIES:
        raise unreadable("its index", PROTOCOL)
    described = (d for d in answer.index_descriptions if d.field_name == VECTOR_FIELD)
    first = next(described, None)
    return None if first is None else _found(first)


def create_index_request(
    place: Place, index: Index | None, metric_type: str | None, *, is_binary: bool
) -> pb.CreateIndexRequest:
    """Return the request for an index; for brute force, if it is None."""
    default = DEFAULT_BINARY_METRIC if is_binary else DEFAULT_METRIC
    params = {} if index is None else index.params
    extra = {
        "index_type": server_type(index, is_binary=is_binary),
        "metric_type": metric_type or default,
        "params": msgspec.json.encode(params).decode(),
    }
    return _create_request(place, extra)


def same_index_request(place: Place, found: Found) -> pb.CreateIndexRequest:
    """Return the request for the index that was there before."""
    return _create_request(place, found.entries)


def server_type(index: Index | None, *, is_binary: bool) -> str:
    """Return Milvus' name for the type of the index, or for brute force."""
    type_ = FLAT if index is None else index.type
    return BINARY_TYPES.get(type_, type_) if is_binary else type_


def _create_request(place: Place, extra: Mapping[str, str]) -> pb.CreateIndexRequest:
    return pb.CreateIndexRequest(
        db_name=place.db_name,
        collection_name=place.collection,
        field_name=VECTOR_FIELD,
        extra_params=pairs(extra),
    )


def drop_index_request(place: Place, found: Found) -> pb.DropIndexRequest:
    return pb.DropIndexRequest(
        db_name=place.db_name,
        collection_name=place.collection,
        field_name=VECTOR_FIELD,
        index_name=found.name,
    )


def _found(description: pb.IndexDescription) -> Found:
    entries = entries_in(description.params, "its index")
    type_ = entries.get("index_type", "")
    observed = ObservedIndex(
        index=_index_of(_PLAIN_TYPES.get(type_, type_), _params_in(entries)),
        progress=_progress(description),
        failure=_failure(description),
    )
    return Found(description.index_name, entries, observed)


def _index_of(type_: str, params: Mapping[str, int | str]) -> Index | None:
    """Return the index; None for brute force, and for a type that no spec can name."""
    try:
        return msgspec.convert({"type": type_, "params": dict(params)}, Index)
    except msgspec.ValidationError:
        return None


def _params_in(entries: Mapping[str, str]) -> dict[str, int | str]:
    """Return the parameters: those in the JSON of `params`, and those beside it.

    Raises: EngineRefused for JSON that Milvus never sends. If it counted as no parameters, each
    reconcile could build the index again.
    """
    try:
        inner = msgspec.json.decode(entries.get("params") or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise unreadable("its index", PROTOCOL) from error
    beside = {key: value for key, value in entries.items() if key not in _NOT_PARAMETERS}
    params = {one_line(key, WORD): _plain(value) for key, value in {**beside, **inner}.items()}
    if len(params) > MOST_ENTRIES:
        raise unreadable("its index", PROTOCOL)
    return params


def _plain(value: Any) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return value
    try:
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    except (RecursionError, UnicodeError) as error:
        raise unreadable("its index", PROTOCOL) from error
    return one_line(text, WORD)


def _progress(description: pb.IndexDescription) -> IndexProgress | None:
    if description.state not in UNFINISHED:
        return None
    total = max(description.total_rows, 0)
    return IndexProgress(built=min(max(description.indexed_rows, 0), total), total=total)


def _failure(description: pb.IndexDescription) -> str | None:
    if description.state != pb.FAILED:
        return None
    return one_line(description.index_state_fail_reason) or "no reason given"
