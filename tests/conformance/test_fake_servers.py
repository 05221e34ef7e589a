"""What the fakes of Milvus' servers do that no client of ours asks of them, by what is known of the
real ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from quiver_proto import milvus2_pb2 as pb
from quiver_proto.milvus2_pb2_grpc import MilvusServiceStub
from support.milvus_server.catalog import entries, pairs
from support.milvus_server.server import MilvusThread

CALL_S = 10.0
DOCS = {"collection_name": "docs"}


class User:
    """Calls a server, of which it has created the collection `docs`."""

    def __init__(self, server: MilvusThread, channel: grpc.Channel) -> None:
        self.server = server
        self.stub = MilvusServiceStub(channel)

    def create(self, *fields: pb.FieldSchema) -> pb.Status:
        key = pb.FieldSchema(name="id", data_type=pb.INT64, is_primary_key=True, auto_id=True)
        schema = pb.CollectionSchema(name="docs", fields=[key, *fields])
        request = pb.CreateCollectionRequest(**DOCS, schema=schema.SerializeToString())
        return self.stub.CreateCollection(request, timeout=CALL_S)

    def index(self, field: str, type_: str, name: str = "", **more: str) -> pb.Status:
        params = pairs({"index_type": type_, **more})
        request = pb.CreateIndexRequest(
            **DOCS, field_name=field, index_name=name, extra_params=params
        )
        return self.stub.CreateIndex(request, timeout=CALL_S)

    def drop_index(self, field: str = "", name: str = "") -> int:
        request = pb.DropIndexRequest(**DOCS, field_name=field, index_name=name)
        return int(self.stub.DropIndex(request, timeout=CALL_S).code)

    def indexes(self) -> set[str]:
        request = pb.DescribeIndexRequest(**DOCS)
        told = self.stub.DescribeIndex(request, timeout=CALL_S)
        return {each.index_name for each in told.index_descriptions}

    def load(self) -> int:
        return int(self.stub.LoadCollection(pb.LoadCollectionRequest(**DOCS)).code)

    def state(self) -> int:
        return int(self.stub.GetLoadState(pb.GetLoadStateRequest(**DOCS)).state)


@contextmanager
def using(version: str, **options: Any) -> Iterator[User]:
    with (
        MilvusThread(version=version, **options) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        yield User(server, channel)


def vector(name: str, **more: Any) -> pb.FieldSchema:
    return pb.FieldSchema(
        name=name, data_type=pb.FLOAT_VECTOR, type_params=pairs({"dim": "8"}), **more
    )


def text(name: str, **more: Any) -> pb.FieldSchema:
    params = pairs({"max_length": "64", "enable_analyzer": "true"})
    return pb.FieldSchema(name=name, data_type=pb.VARCHAR, type_params=params, **more)


def test_an_index_is_dropped_by_its_name_alone() -> None:
    """Whatever field is named; without a name there must be one alone."""
    with using("v2.6.18") as user:
        user.create(vector("a"), vector("b"))
        user.index("a", "FLAT", "first")
        user.index("b", "FLAT")
        assert user.indexes() == {"first", "b"}
        assert user.drop_index("a") == 702
        assert user.drop_index("a", "b") == 0
        assert user.indexes() == {"first"}
        assert user.drop_index("b") == 0
        assert user.indexes() == set()
        assert user.drop_index("b", "b") == 0


@pytest.mark.parametrize(
    ("version", "of_vectors", "of_text"),
    [("v2.5.13", 65535, 65535), ("v2.6.1", 65535, 65535), ("v2.6.2", 1100, 0)],
)
def test_indexes_of_a_loaded_collection_go_by_version(
    version: str, of_vectors: int, of_text: int
) -> None:
    with using(version) as user:
        user.create(vector("a"), text("t"))
        user.index("a", "FLAT")
        user.index("t", "INVERTED")
        assert user.load() == 0
        assert user.drop_index(name="a") == of_vectors
        assert user.drop_index(name="t") == of_text


def test_a_field_has_one_index_and_json_one_for_each_path() -> None:
    with using("v2.6.18") as user:
        user.create(vector("a"), pb.FieldSchema(name="j", data_type=pb.JSON))
        assert user.index("a", "FLAT").code == 0
        assert user.index("a", "FLAT").code == 0
        assert user.index("a", "HNSW").code == 1100
        for path in ("j['a']", "j['b']"):
            made = user.index("j", "INVERTED", path, json_path=path, json_cast_type="VARCHAR")
            assert made.code == 0
        assert len(user.indexes()) == 3


def test_parameters_of_a_field_change_their_order_once_it_is_altered() -> None:
    """They are as they came before."""
    with using("v2.6.18") as user:
        user.create(vector("a"), text("t"))
        told = user.stub.DescribeCollection(pb.DescribeCollectionRequest(**DOCS)).schema.fields[2]
        assert list(entries(told.type_params)) == ["max_length", "enable_analyzer"]
        change = pb.AlterCollectionFieldRequest(
            **DOCS, field_name="t", properties=pairs({"max_length": "32"})
        )
        assert user.stub.AlterCollectionField(change).code == 0
        after = user.stub.DescribeCollection(pb.DescribeCollectionRequest(**DOCS)).schema.fields[2]
        assert list(entries(after.type_params)) != list(entries(told.type_params))
        assert entries(after.type_params) == {"max_length": "32", "enable_analyzer": "true"}


def test_a_default_without_a_value_ends_the_server() -> None:
    with using("v2.6.18") as user, pytest.raises(grpc.RpcError, match="panic"):
        user.create(vector("a"), text("t", default_value=pb.ValueField()))


def test_an_older_server_does_not_know_later_methods() -> None:
    """Not even for a collection that is not there."""
    with using("v2.5.13") as user:
        for call, request in (
            (user.stub.AddCollectionField, pb.AddCollectionFieldRequest(**DOCS)),
            (user.stub.AlterCollectionSchema, pb.AlterCollectionSchemaRequest(**DOCS)),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                call(request)
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
        change = pb.AlterCollectionFieldRequest(**DOCS, field_name="t")
        assert user.stub.AlterCollectionField(change).code == 100


def test_a_server_of_3_without_its_new_storage_adds_no_function() -> None:
    """As it is by default. It says that it may pass."""
    with using("v3.0.0") as user:
        user.create(vector("a"), text("t"))
        output = pb.FieldSchema(name="s", data_type=pb.SPARSE_FLOAT_VECTOR)
        function = pb.FunctionSchema(
            name="bm25", type=pb.BM25, input_field_names=["t"], output_field_names=["s"]
        )
        info = pb.AlterCollectionSchemaRequest.FieldInfo(field_schema=output)
        added = pb.AlterCollectionSchemaRequest.AddRequest(
            field_infos=[info], func_schema=[function]
        )
        action = pb.AlterCollectionSchemaRequest.Action(add_request=added)
        request = pb.AlterCollectionSchemaRequest(**DOCS, action=action)
        assert user.stub.AlterCollectionSchema(request).status.code == 2


def test_work_takes_as_long_as_a_test_wants() -> None:
    """Loads, and indexes over rows."""
    with using("v2.6.18") as user:
        user.server.server.work_slowly()
        user.create(vector("a"))
        rows = pb.InsertRequest(**DOCS, partition_name="_default", num_rows=9)
        assert user.stub.Insert(rows).insert_cnt == 9
        user.index("a", "FLAT")
        (told,) = user.stub.DescribeIndex(pb.DescribeIndexRequest(**DOCS)).index_descriptions
        assert (told.state, told.indexed_rows, told.total_rows) == (pb.IN_PROGRESS, 0, 9)
        assert user.load() == 0
        assert user.state() == pb.LOADING
        user.server.server.finish()
        (told,) = user.stub.DescribeIndex(pb.DescribeIndexRequest(**DOCS)).index_descriptions
        assert (told.state, user.state()) == (pb.FINISHED, pb.LOADED)
        assert user.server.server.calls["LoadCollection"] == 1
