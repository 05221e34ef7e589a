"""The rpcs on rows: insert, delete, get, search."""

from collections.abc import Callable

import numpy as np

from quiver_engine import checks, index_checks, lookup, patterns, wire
from quiver_engine.collection import Collection
from quiver_engine.errors import RequestError
from quiver_engine.model import Query, Rows, Vectors
from quiver_engine.rpc import IsAwaited, Rpc, awaited_rpc, ok, rpc
from quiver_engine.search import Asked, no_results, search
from quiver_engine.segments import Segment
from quiver_engine.store import Store
from quiver_engine.traffic import Traffic
from quiver_engine.writing import Writer
from quiver_proto import milvus_pb2 as pb


class RowCalls:
    """Each raises RequestError to refuse."""

    def __init__(self, store: Store, writer: Writer, traffic: Traffic) -> None:
        self._store = store
        self._writer = writer
        self._traffic = traffic

    def rpcs(self) -> dict[str, Rpc]:
        """Return the calls by their names in the protocol."""
        preload = pb.PreloadCollectionParam
        return {
            "Compact": rpc(pb.CollectionName, self.compact, pb.Status),
            "DeleteByID": rpc(pb.DeleteByIDParam, self.delete, pb.Status),
            "Flush": rpc(pb.FlushParam, self.flush, pb.Status),
            "GetVectorIDs": Rpc(self.get_ids, pb.VectorIds),
            "GetVectorsByID": rpc(pb.VectorsIdentity, self.get_vectors, pb.VectorsData),
            "Insert": Rpc(self.insert, pb.VectorIds),
            "PreloadCollection": awaited_rpc(preload, self.preload, pb.Status),
            "ReleaseCollection": rpc(preload, self.release, pb.Status),
            "ReloadSegments": awaited_rpc(pb.ReLoadSegmentsParam, self.reload, pb.Status),
            "Search": Rpc(self.search, pb.TopKQueryResult),
            "SearchByID": Rpc(self.search_by_id, pb.TopKQueryResult),
            "SearchInFiles": Rpc(self.search_in_files, pb.TopKQueryResult),
        }

    def flush(self, request: pb.FlushParam) -> pb.Status:
        names = dict.fromkeys(request.collection_name_array)
        wanted = [self._store.collection(name) for name in names] or self._store.collections()
        for collection in wanted:
            self._writer.flush(collection)
        return ok()

    def delete(self, request: pb.DeleteByIDParam) -> pb.Status:
        ids = wire.to_array(request.id_array)
        self._writer.delete(request.collection_name, request.partition_tag, ids)
        return ok()

    def compact(self, request: pb.CollectionName) -> pb.Status:
        self._writer.compact(self._store.collection(request.collection_name))
        return ok()

    def preload(self, request: pb.PreloadCollectionParam, is_awaited: IsAwaited) -> pb.Status:
        metric = self._store.collection(request.collection_name).schema.metric
        for segment in self._named(request):
            self._store.device.preload(segment, metric, is_awaited)
        return ok()

    def release(self, request: pb.PreloadCollectionParam) -> pb.Status:
        for segment in self._named(request):
            segment.let_go()
        return ok()

    def _named(self, request: pb.PreloadCollectionParam) -> list[Segment]:
        collection = self._store.collection(request.collection_name)
        return _named_segments(collection, tuple(request.partition_tag_array))

    def reload(self, request: pb.ReLoadSegmentsParam, is_awaited: IsAwaited) -> pb.Status:
        collection = self._store.collection(request.collection_name)
        for segment in lookup.named_segments(collection, request.segment_id_array):
            segment.let_go()
            self._store.device.preload(segment, collection.schema.metric, is_awaited)
        return ok()

    def get_vectors(self, request: pb.VectorsIdentity) -> pb.VectorsData:
        collection = self._store.collection(request.collection_name)
        checks.wanted_ids(request.id_array)
        tag = request.partition_tag
        segments = collection.partition(tag).segments if tag else collection.segments
        found = lookup.vectors(collection.schema.name, segments, list(request.id_array))
        return pb.VectorsData(status=ok(), vectors_data=[_record(vector) for vector in found])

    def get_ids(self, raw: bytes, _: IsAwaited) -> bytes:
        request = wire.parse(pb.GetVectorIDsParam, raw)
        collection = self._store.collection(request.collection_name)
        segment = lookup.segment(collection, request.segment_name)
        checks.answered_ids(request.segment_name, segment.living)
        return wire.encode_ids(lookup.ids(segment))

    def insert(self, raw: bytes, _: IsAwaited) -> bytes:
        ids = self._writer.insert(wire.decode_insert(raw))
        self._traffic.inserted(len(ids), len(raw))
        return wire.encode_ids(ids)

    def search(self, raw: bytes, is_awaited: IsAwaited) -> bytes:
        query = wire.decode_search(raw)
        return self._search(query, lambda c: _named_segments(c, query.tags), is_awaited)

    def search_in_files(self, raw: bytes, is_awaited: IsAwaited) -> bytes:
        request = wire.parse(pb.SearchInFilesParam, raw)
        query = wire.decode_search(request.search_param.SerializeToString())
        names = request.file_id_array
        if not names:
            raise RequestError(
                pb.ILLEGAL_ARGUMENT,
                "file_id_array is empty: give names of segments; ShowCollectionInfo lists them",
            )
        return self._search(query, lambda c: lookup.named_segments(c, names), is_awaited)

    def search_by_id(self, raw: bytes, is_awaited: IsAwaited) -> bytes:
        request = wire.parse(pb.SearchByIDParam, raw)
        checks.topk(request.topk)
        collection = self._store.collection(request.collection_name)
        checks.wanted_ids(request.id_array)
        checks.result_size(len(request.id_array), request.topk)
        segments = _named_segments(collection, tuple(request.partition_tag_array))
        found = lookup.vectors(collection.schema.name, segments, list(request.id_array))
        known = [vector for vector in found if vector is not None]
        ids, distances = no_results(len(found), request.topk, collection.schema.metric)
        if not known:
            return wire.encode_topk(ids, distances)
        rows = np.stack(known)
        asked = _asked(
            collection,
            Query(
                collection=request.collection_name,
                tags=(),
                rows=Rows.of(rows),
                topk=request.topk,
                params=wire.params_text(request.extra_params),
            ),
        )
        places = [place for place, vector in enumerate(found) if vector is not None]
        ids[places], distances[places] = search(
            segments, asked, self._store.device.nearest, is_awaited
        )
        self._traffic.searched(len(rows), segments)
        return wire.encode_topk(ids, distances)

    def _search(
        self,
        query: Query,
        choose: Callable[[Collection], list[Segment]],
        is_awaited: IsAwaited,
    ) -> bytes:
        checks.topk(query.topk)
        collection = self._store.collection(query.collection)
        asked = _asked(collection, query)
        segments = choose(collection)
        if not any(segment.living for segment in segments):
            return pb.TopKQueryResult(status=ok()).SerializeToString()
        found = search(segments, asked, self._store.device.nearest, is_awaited)
        self._traffic.searched(len(asked.queries), segments)
        return wire.encode_topk(*found)


def _asked(collection: Collection, query: Query) -> Asked:
    spec = collection.index.spec
    params = index_checks.search_params(query.params, spec, query.topk)
    vectors = checks.vectors(query.rows, collection.schema)
    checks.result_size(query.rows.count, query.topk)
    return Asked(vectors, query.topk, collection.schema.metric, spec, params)


def _record(vector: Vectors | None) -> pb.RowRecord:
    if vector is None:
        return pb.RowRecord()
    if vector.dtype == np.uint8:
        return pb.RowRecord(binary_data=vector.tobytes())
    return pb.RowRecord(float_data=vector.tolist())


def _named_segments(collection: Collection, tags: tuple[str, ...]) -> list[Segment]:
    if not tags:
        return collection.segments
    partitions = dict(collection.partitions)
    found = patterns.matching(tags, list(partitions))
    if not found:
        raise RequestError(
            pb.UNEXPECTED_ERROR,
            f"no partition of {collection.schema.name!r} matches {', '.join(tags)[:300]!r}:"
            " a tag or a regular expression must match a whole tag; ShowPartitions lists them",
        )
    return [segment for tag in found for segment in partitions[tag].segments]
