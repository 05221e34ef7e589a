"""Collections in memory."""

from google.protobuf.message import Message

from quiver_proto import milvus2_pb2 as pb
from support.milvus_server.catalog import Catalog, Stored
from support.milvus_server.refusals import (
    NO_INDEX,
    NO_PARTITION,
    NO_REPLICA,
    TOO_FEW_NODES,
    Refusal,
    wrong,
)
from support.milvus_server.versions import REPLICAS_CHANGE


class Memory:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def load(self, request: pb.LoadCollectionRequest) -> None:
        """Every field of vectors needs an index, that of a loaded collection too."""
        found = self._catalog.get(request.db_name, request.collection_name)
        bare = [field.name for field in found.vectors if found.index_on(field.name) is None]
        if bare:
            reason = f"there is no vector index on field: [{' '.join(bare)}]"
            raise Refusal(NO_INDEX, f"{reason}, please create index firstly")
        replicas = request.replica_number or 1
        if replicas > self._catalog.query_nodes:
            raise Refusal(TOO_FEW_NODES, f"{replicas} replicas need as many query nodes")
        if found.is_loaded and replicas != found.replicas:
            self._check_change()
        is_new = not found.is_loaded or replicas != found.replicas
        found.replicas = replicas
        found.released.clear()
        if is_new:
            found.state = pb.LOADING if self._catalog.is_slow else pb.LOADED

    def release(self, request: pb.ReleaseCollectionRequest) -> None:
        found = self._catalog.get(request.db_name, request.collection_name)
        found.state = pb.NOT_LOAD
        found.released.clear()

    def release_partitions(self, request: pb.ReleasePartitionsRequest) -> None:
        found = self._catalog.get(request.db_name, request.collection_name)
        found.released.update(request.partition_names)

    def state(self, request: pb.GetLoadStateRequest) -> Message:
        found = self._catalog.get(request.db_name, request.collection_name)
        for name in request.partition_names:
            if name not in found.partitions:
                raise Refusal(NO_PARTITION, f"partition not found[partition={name}]")
        asked = set(request.partition_names)
        state = pb.NOT_LOAD if asked and asked <= found.released else found.state
        return pb.GetLoadStateResponse(state=state)

    def progress(self, request: pb.GetLoadingProgressRequest) -> Message:
        found = self._catalog.get(request.db_name, request.collection_name)
        return pb.GetLoadingProgressResponse(progress=100 if found.state == pb.LOADED else 0)

    def replicas(self, request: pb.GetReplicasRequest) -> Message:
        found = self._of_an_id(request)
        if not found.is_loaded:
            raise Refusal(NO_REPLICA, f"replica not found[collection={found.id}]")
        ids = range(1, found.replicas + 1)
        return pb.GetReplicasResponse(replicas=[pb.ReplicaInfo(replica_id=id_) for id_ in ids])

    def _of_an_id(self, request: pb.GetReplicasRequest) -> Stored:
        """Servers before 2.5 do not look at the name."""
        for found in self._catalog.all():
            if found.id == request.collection_id:
                return found
        return self._catalog.get(request.db_name, request.collection_name)

    def _check_change(self) -> None:
        if self._catalog.version < REPLICAS_CHANGE:
            raise wrong("can't change the replica number for loaded collection")
