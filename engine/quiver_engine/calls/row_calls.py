"""The calls on rows: insert, delete, get, flush, load into memory."""

import numpy as np

from quiver_engine import checks
from quiver_engine.calls import lookup
from quiver_engine.files.segments import Segment
from quiver_engine.metrics.traffic import Traffic
from quiver_engine.model import MAX_MESSAGE_BYTES, CallerWaits, Vectors
from quiver_engine.store.store import Store
from quiver_engine.store.writing import Writer
from quiver_engine.wire import codec
from quiver_engine.wire.rpc import CallClass, Rpc, interruptible_rpc, ok, rpc
from quiver_proto import milvus_pb2 as pb


class RowCalls:
    """A call raises RequestError to refuse."""

    def __init__(self, store: Store, writer: Writer, traffic: Traffic) -> None:
        self._store = store
        self._writer = writer
        self._traffic = traffic

    def rpcs(self) -> dict[str, Rpc]:
        """Return the calls by their names in the protocol."""
        preload = pb.PreloadCollectionParam
        return {
            "Compact": rpc(pb.CollectionName, self.compact, pb.Status, CallClass.LONG),
            "DeleteByID": rpc(pb.DeleteByIDParam, self.delete, pb.Status),
            "Flush": rpc(pb.FlushParam, self.flush, pb.Status, CallClass.LONG),
            "GetVectorIDs": Rpc(self.get_ids, pb.VectorIds),
            "GetVectorsByID": rpc(pb.VectorsIdentity, self.get_vectors, pb.VectorsData),
            "Insert": Rpc(self.insert, pb.VectorIds, largest=MAX_MESSAGE_BYTES),
            "PreloadCollection": interruptible_rpc(preload, self.preload, pb.Status),
            "ReleaseCollection": rpc(preload, self.release, pb.Status),
            "ReloadSegments": interruptible_rpc(pb.ReLoadSegmentsParam, self.reload, pb.Status),
        }

    def flush(self, request: pb.FlushParam) -> pb.Status:
        names = dict.fromkeys(request.collection_name_array)
        wanted = [self._store.collection(name) for name in names] or self._store.collections()
        for collection in wanted:
            self._writer.flush(collection)
        return ok()

    def delete(self, request: pb.DeleteByIDParam) -> pb.Status:
        checks.name(request.collection_name)
        if request.partition_tag:
            checks.tags([request.partition_tag])
        ids = codec.to_array(request.id_array)
        self._writer.delete(request.collection_name, request.partition_tag, ids)
        return ok()

    def compact(self, request: pb.CollectionName) -> pb.Status:
        self._writer.compact(self._store.collection(request.collection_name))
        return ok()

    def preload(self, request: pb.PreloadCollectionParam, caller_waits: CallerWaits) -> pb.Status:
        metric = self._store.collection(request.collection_name).schema.metric
        for segment in self._named(request):
            self._store.device.preload(segment, metric, caller_waits)
        return ok()

    def release(self, request: pb.PreloadCollectionParam) -> pb.Status:
        for segment in self._named(request):
            segment.evict()
        return ok()

    def _named(self, request: pb.PreloadCollectionParam) -> list[Segment]:
        collection = self._store.collection(request.collection_name)
        return lookup.matching_segments(collection, tuple(request.partition_tag_array))

    def reload(self, request: pb.ReLoadSegmentsParam, caller_waits: CallerWaits) -> pb.Status:
        collection = self._store.collection(request.collection_name)
        for segment in lookup.named_segments(collection, request.segment_id_array):
            segment.evict()
            self._store.device.preload(segment, collection.schema.metric, caller_waits)
        return ok()

    def get_vectors(self, request: pb.VectorsIdentity) -> pb.VectorsData:
        checks.wanted_ids(request.id_array)
        collection = self._store.collection(request.collection_name)
        tag = request.partition_tag
        segments = collection.partition(tag).segments if tag else collection.segments
        found = lookup.vectors(collection.schema.name, segments, list(request.id_array))
        return pb.VectorsData(status=ok(), vectors_data=[_record(vector) for vector in found])

    def get_ids(self, raw: bytes, _: CallerWaits) -> bytes:
        request = codec.parse(pb.GetVectorIDsParam, raw)
        collection = self._store.collection(request.collection_name)
        segment = lookup.segment(collection, request.segment_name)
        checks.answered_ids(request.segment_name, segment.living)
        return codec.encode_ids(lookup.ids(segment))

    def insert(self, raw: bytes, _: CallerWaits) -> bytes:
        ids = self._writer.insert(codec.decode_insert(raw))
        self._traffic.inserted(len(ids), len(raw))
        return codec.encode_ids(ids)


def _record(vector: Vectors | None) -> pb.RowRecord:
    if vector is None:
        return pb.RowRecord()
    if vector.dtype == np.uint8:
        return pb.RowRecord(binary_data=vector.tobytes())
    return pb.RowRecord(float_data=vector.tolist())
