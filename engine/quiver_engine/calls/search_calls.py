"""The calls that search."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from quiver_engine import checks
from quiver_engine.calls import index_checks, lookup
from quiver_engine.compute.search import Asked, Found, no_results, search
from quiver_engine.files.segments import Segment
from quiver_engine.metrics.traffic import Traffic
from quiver_engine.model import MIB, CallerWaits, IndexSpec, Metric, Query, Vectors
from quiver_engine.store.collection import Collection
from quiver_engine.store.store import Store
from quiver_engine.wire import codec, fields
from quiver_engine.wire.rpc import Batching, BatchItem, CallClass, Rpc, ok
from quiver_proto import milvus_pb2 as pb

_MAX_BATCHED_BYTES = 1 << 16
_MAX_BATCHED_WIDTH = 6_736
"""Times the queries of the largest batch, below FAISS's `distance_compute_blas_threshold`."""
_LARGE_REQUEST_BYTES = 32 * MIB
_MAX_INLINE_BYTES = 4 * MIB
_BYTES_PER_RESULT = 16
_NO_ROWS = pb.TopKQueryResult(status=ok()).SerializeToString()


class _Cut(NamedTuple):
    queries: Vectors
    rest: bytes


class _Prepared(NamedTuple):
    asked: Asked
    segments: list[Segment]


class _Way(NamedTuple):
    """What a search's parameters make of it: the last fields of Asked, in its order."""

    metric: Metric
    spec: IndexSpec
    params: Mapping[str, int]
    is_own_metric: bool


Choose = Callable[[Collection], list[Segment]]


class SearchCalls:
    """A call raises RequestError to refuse."""

    def __init__(self, store: Store, traffic: Traffic) -> None:
        self._store = store
        self._traffic = traffic

    def rpcs(self) -> dict[str, Rpc]:
        """Return the calls by their names in the protocol."""
        batching = Batching(batch_item, self.search_inline, self.search_batch)
        return {
            "Search": _rpc(self.search, batching),
            "SearchByID": _rpc(self.search_by_id),
            "SearchInFiles": replace(
                _rpc(self.search_in_files), collection=fields.searched_in_files
            ),
        }

    def search(self, raw: bytes, caller_waits: CallerWaits) -> bytes:
        return self._answer(self._prepared(codec.decode_search(raw)), caller_waits)

    def search_batch(self, items: Sequence[BatchItem], caller_waits: CallerWaits) -> list[bytes]:
        """Search for the queries of all items together; return an answer for each item."""
        return _split(items, self._find(self._prepared(_joined(items)), caller_waits))

    def search_inline(self, items: Sequence[BatchItem]) -> list[bytes] | None:
        """Search like `search_batch` if it reads little, all of it in memory; else return None."""
        prepared = self._prepared(_joined(items))
        asked, segments = prepared
        if asked.metric.is_binary:
            return None
        device = self._store.device
        results = len(asked.queries) * asked.topk * len(segments)
        with ExitStack() as kept:
            read = sum(kept.enter_context(device.at_hand(one, asked)) for one in segments)
            if read + results * _BYTES_PER_RESULT > _MAX_INLINE_BYTES:
                return None
            return _split(items, self._find(prepared, lambda: True))

    def search_in_files(self, raw: bytes, caller_waits: CallerWaits) -> bytes:
        request = codec.parse(pb.SearchInFilesParam, raw)
        query = codec.decode_search(request.search_param.SerializeToString())
        names = request.file_id_array
        choose = (lambda c: lookup.named_segments(c, names)) if names else None
        return self._answer(self._prepared(query, choose), caller_waits)

    def search_by_id(self, raw: bytes, caller_waits: CallerWaits) -> bytes:
        request = codec.parse(pb.SearchByIDParam, raw)
        wanted, topk = list(request.id_array), request.topk
        tags = tuple(request.partition_tag_array)
        checks.wanted_ids(wanted)
        _check(request.collection_name, topk, len(wanted), tags)
        collection = self._store.collection(request.collection_name)
        way = _way(collection, topk, codec.params_text(request.extra_params))
        segments = lookup.matching_segments(collection, tags)
        found = lookup.vectors(collection.schema.name, collection.segments, wanted)
        places = [place for place, vector in enumerate(found) if vector is not None]
        ids, distances = no_results(len(found), topk, way.metric)
        if places:
            known = np.stack([vector for vector in found if vector is not None])
            asked = Asked(known, topk, *way)
            ids[places], distances[places] = search(
                segments, asked, self._store.device.nearest, caller_waits
            )
            self._traffic.searched(len(known), segments)
        return codec.encode_topk(ids, distances)

    def _prepared(self, query: Query, choose: Choose | None = None) -> _Prepared:
        """Check a search and choose its segments, by default those of the partitions it names."""
        _check(query.collection, query.topk, query.rows.count, query.tags)
        collection = self._store.collection(query.collection)
        way = _way(collection, query.topk, query.params)
        asked = Asked(checks.vectors(query.rows, collection.schema), query.topk, *way)
        if choose is not None:
            return _Prepared(asked, choose(collection))
        return _Prepared(asked, lookup.matching_segments(collection, query.tags))

    def _answer(self, prepared: _Prepared, caller_waits: CallerWaits) -> bytes:
        found = self._find(prepared, caller_waits)
        return _NO_ROWS if found is None else codec.encode_topk(*found)

    def _find(self, prepared: _Prepared, caller_waits: CallerWaits) -> Found | None:
        """Search; return None where there are no segments.

        Where all rows of the segments are deleted there are results without rows, as in Milvus:
        clients read the first query's.
        """
        asked, segments = prepared
        if not segments:
            return None
        found = search(segments, asked, self._store.device.nearest, caller_waits)
        self._traffic.searched(len(asked.queries), segments)
        return found


def _joined(items: Sequence[BatchItem]) -> Query:
    queries = [item.content.queries for item in items]
    return codec.join_search(np.concatenate(queries), items[0].content.rest)


def _split(items: Sequence[BatchItem], found: Found | None) -> list[bytes]:
    """Return the answer to each item's queries."""
    if found is None:
        return [_NO_ROWS] * len(items)
    ids, distances = found
    ends = accumulate(item.weight for item in items)
    return [
        codec.encode_topk(ids[end - item.weight : end], distances[end - item.weight : end])
        for item, end in zip(items, ends, strict=True)
    ]


def _rpc(answer: Callable[[bytes, CallerWaits], bytes], batching: Batching | None = None) -> Rpc:
    return Rpc(answer, pb.TopKQueryResult, CallClass.SEARCH, batching, _LARGE_REQUEST_BYTES)


def batch_item(raw: bytes) -> BatchItem | None:
    """Return a search as a batch item; None for one that is too large, has no plain queries, or
    would be computed in another way in a batch.
    """
    if len(raw) > _MAX_BATCHED_BYTES:
        return None
    queries, rest = codec.cut_search(raw)
    if queries is None or queries.shape[1] > _MAX_BATCHED_WIDTH:
        return None
    return BatchItem((rest, queries.shape[1], queries.dtype), len(queries), _Cut(queries, rest))


def _check(collection: str, topk: int, queries: int, tags: Iterable[str]) -> None:
    """Check what a search says without its collection; raises RequestError."""
    checks.name(collection)
    checks.topk(topk)
    checks.result_size(queries, topk)
    checks.tags(dict.fromkeys(tags))


def _way(collection: Collection, topk: int, text: str | None) -> _Way:
    """Return how a search with these parameters is done; raises RequestError."""
    own, spec = collection.schema.metric, collection.index.spec
    params = index_checks.search_params(text, spec, topk)
    metric = index_checks.search_metric(text, own)
    # Indexes are for the collection's own metric.
    return _Way(metric, spec if metric is own else IndexSpec(), params, metric is own)
