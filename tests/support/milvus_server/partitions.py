"""Partitions and the rows that they hold."""

from google.protobuf.message import Message

from quiver_proto import milvus2_pb2 as pb
from support.milvus_server.catalog import DEFAULT_PARTITION, Catalog, Stored, pairs
from support.milvus_server.refusals import NO_PARTITION, Refusal, unexpected, wrong

ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


class Partitions:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def show(self, request: pb.ShowPartitionsRequest) -> Message:
        found = self._catalog.get(request.db_name, request.collection_name)
        return pb.ShowPartitionsResponse(partition_names=list(found.partitions))

    def create(self, request: pb.CreatePartitionRequest) -> None:
        """The same partition once more is accepted."""
        found, name = self._of_a_tag(request, "create"), request.partition_name
        if not 0 < len(name) <= 255 or not set(name) <= ALLOWED:
            raise wrong(f"Invalid partition name: {name}")
        found.partitions.setdefault(name, 0)

    def drop(self, request: pb.DropPartitionRequest) -> None:
        found, name = self._of_a_tag(request, "drop"), request.partition_name
        if name == DEFAULT_PARTITION:
            raise wrong("default partition cannot be deleted")
        if name not in found.partitions:
            return
        if found.is_loaded and name not in found.released:
            raise unexpected("partition cannot be dropped, partition is loaded, please release it")
        del found.partitions[name]
        found.released.discard(name)

    def count(self, request: pb.GetCollectionStatisticsRequest) -> Message:
        found = self._catalog.get(request.db_name, request.collection_name)
        return _counted(sum(found.partitions.values()))

    def count_in(self, request: pb.GetPartitionStatisticsRequest) -> Message:
        found = self._catalog.get(request.db_name, request.collection_name)
        return _counted(found.partitions[_known(found, request.partition_name)])

    def insert(self, request: pb.InsertRequest) -> Message:
        """Count the rows, whatever is in them."""
        found = self._catalog.get(request.db_name, request.collection_name)
        name = request.partition_name or next(iter(found.partitions))
        found.partitions[_known(found, name)] += request.num_rows
        return pb.MutationResult(insert_cnt=request.num_rows)

    def flush(self, request: pb.FlushRequest) -> Message:
        for name in request.collection_names:
            self._catalog.get(request.db_name, name)
        return pb.FlushResponse(flush_ts=dict.fromkeys(request.collection_names, 1))

    def flush_state(self, _request: pb.GetFlushStateRequest) -> Message:
        return pb.GetFlushStateResponse(flushed=True)

    def _of_a_tag(
        self, request: pb.CreatePartitionRequest | pb.DropPartitionRequest, call: str
    ) -> Stored:
        found = self._catalog.get(request.db_name, request.collection_name)
        if found.has_partition_key:
            raise wrong(f"disable {call} partition if partition key mode is used")
        return found


def _known(found: Stored, name: str) -> str:
    if name not in found.partitions:
        raise Refusal(NO_PARTITION, f"partition not found[partition={name}]")
    return name


def _counted(rows: int) -> pb.StatisticsResponse:
    return pb.StatisticsResponse(stats=pairs({"row_count": str(rows)}))
