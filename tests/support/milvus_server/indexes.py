"""Indexes: at most one for each field, and of JSON one for each path."""

import json

from google.protobuf.message import Message

from quiver_proto import milvus2_pb2 as pb
from support.milvus_server.catalog import VECTORS, Catalog, Stored, StoredIndex, entries, pairs
from support.milvus_server.index_rules import check_index
from support.milvus_server.refusals import NO_INDEX, SEVERAL_INDEXES, Refusal, unexpected, wrong
from support.milvus_server.versions import FLAT_PARAMS, SCALAR_INDEXES_DROPPED_WHILE_LOADED, Version


class Indexes:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def create(self, request: pb.CreateIndexRequest) -> None:
        found = self._catalog.get(request.db_name, request.collection_name)
        field = found.field(request.field_name)
        if field is None:
            raise wrong(f"cannot create index on non-exist field: {request.field_name}")
        params = flat(entries(request.extra_params))
        add_index(found, field, params, request.index_name, self._catalog)

    def describe(self, request: pb.DescribeIndexRequest) -> Message:
        """The name of an index chooses; that of a field is not looked at."""
        found = self._catalog.get(request.db_name, request.collection_name)
        wanted = request.index_name
        chosen = [i for i in found.indexes.values() if wanted in ("", i.name)]
        if not chosen:
            where = f"[collection={found.schema.name}]"
            raise Refusal(NO_INDEX, f"index not found{where}")
        told = [self._description(found, index) for index in chosen]
        return pb.DescribeIndexResponse(index_descriptions=told)

    def drop(self, request: pb.DropIndexRequest) -> None:
        """As `describe` chooses; dropping what is not there is done."""
        found = self._catalog.get(request.db_name, request.collection_name)
        name = request.index_name
        if not name and len(found.indexes) > 1:
            raise Refusal(SEVERAL_INDEXES, "there are multiple indexes, please specify the name")
        index = found.indexes.get(name) if name else next(iter(found.indexes.values()), None)
        if index is not None:
            _check_memory(found, index, self._catalog.version)
            del found.indexes[index.name]

    def _description(self, found: Stored, index: StoredIndex) -> pb.IndexDescription:
        rows = sum(found.partitions.values())
        return pb.IndexDescription(
            index_name=index.name,
            field_name=index.field,
            params=pairs(_as_told(index.params, self._catalog.version)),
            indexed_rows=rows if index.is_built else 0,
            total_rows=rows,
            pending_index_rows=0 if index.is_built else rows,
            state=pb.FINISHED if index.is_built else pb.IN_PROGRESS,
        )


def flat(params: dict[str, str]) -> dict[str, str]:
    """Take apart what a client has sent as JSON under `params`."""
    inner = json.loads(params.pop("params", "{}"))
    if not isinstance(inner, dict):
        raise wrong("params are no JSON object")
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in inner.items()}
    return {**params, **texts}


def add_index(
    found: Stored, field: pb.FieldSchema, params: dict[str, str], name: str, catalog: Catalog
) -> None:
    """The same index once more is accepted, under the same name or none."""
    check_index(field, params, catalog.version)
    there = _in_its_place(found, field, params)
    if there is not None and there.params == params and name in ("", there.name):
        return
    if there is not None:
        raise wrong("CreateIndex failed: at most one distinct index is allowed per field")
    name = name or field.name
    if name in found.indexes:
        raise wrong(f"CreateIndex failed: the index name {name} is of another field")
    has_rows = any(found.partitions.values())
    is_built = not (catalog.is_slow and has_rows)
    found.indexes[name] = StoredIndex(name, field.name, params, is_built)


def _in_its_place(
    found: Stored, field: pb.FieldSchema, params: dict[str, str]
) -> StoredIndex | None:
    path = "json_path"
    for there in found.indexes.values():
        is_other = field.data_type == pb.JSON and there.params.get(path) != params.get(path)
        if there.field == field.name and not is_other:
            return there
    return None


def _as_told(params: dict[str, str], version: Version) -> dict[str, str]:
    if version >= FLAT_PARAMS:
        return params
    words: tuple[str, ...] = ("index_type", "metric_type")
    plain = {key: params[key] for key in words if key in params}
    inner = {key: value for key, value in params.items() if key not in plain}
    return {**plain, "params": json.dumps(inner)} if inner else plain


def _check_memory(found: Stored, index: StoredIndex, version: Version) -> None:
    if not found.is_loaded:
        return
    if version < SCALAR_INDEXES_DROPPED_WHILE_LOADED:
        raise unexpected("index cannot be dropped, collection is loaded, please release it first")
    field = found.field(index.field)
    if field is not None and field.data_type in VECTORS:
        raise wrong(f"vector index cannot be dropped on loaded collection: {found.id}")
