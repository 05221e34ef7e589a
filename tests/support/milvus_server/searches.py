"""Searches: the server looks at the query and finds nothing."""

import struct

from google.protobuf.message import DecodeError, Message

from quiver_proto import milvus2_pb2 as pb
from support.milvus_server.catalog import Catalog, Stored, entries
from support.milvus_server.refusals import NOT_LOADED, Refusal, unexpected, wrong
from support.milvus_server.versions import name_of

_BITS = {
    pb.FLOAT_VECTOR: 32,
    pb.FLOAT16_VECTOR: 16,
    pb.BFLOAT16_VECTOR: 16,
    pb.INT8_VECTOR: 8,
    pb.BINARY_VECTOR: 1,
}
"""By a number of each vector."""
_PAIR = struct.Struct("<If")


class Searches:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def search(self, request: pb.SearchRequest) -> Message:
        found = self._catalog.get(request.db_name, request.collection_name)
        params = entries(request.search_params)
        field = _field(found, params.get("anns_field", ""))
        if found.state != pb.LOADED:
            raise Refusal(NOT_LOADED, f"collection not loaded[collection={found.schema.name}]")
        index = found.index_on(field.name)
        if index is None:
            raise unexpected(f"vector index not found on field {field.name}, it is not loaded")
        metric = params.get("metric_type") or index.metric
        if metric != index.metric:
            reason = "metric type not match: invalid parameter"
            raise wrong(f"{reason}[expected={index.metric}][actual={metric}]")
        if not params.get("topk", "").isdecimal():
            raise wrong("topk not found in search_params")
        _check_queries(field, request, metric)
        return pb.SearchResults()


def _field(found: Stored, name: str) -> pb.FieldSchema:
    if not name and len(found.vectors) > 1:
        raise wrong("multiple anns_fields exist, please specify a anns_field in search_params")
    field = found.field(name) if name else found.vectors[0]
    if field is None:
        raise wrong(f"failed to get field schema by name: {name}")
    return field


def _check_queries(field: pb.FieldSchema, request: pb.SearchRequest, metric: str) -> None:
    try:
        group = pb.PlaceholderGroup.FromString(request.placeholder_group)
    except DecodeError as error:
        raise wrong("the placeholder group cannot be read") from error
    if len(group.placeholders) != 1 or not group.placeholders[0].values:
        raise wrong("exactly one placeholder with a value is wanted")
    (query,) = group.placeholders
    if request.nq != len(query.values):
        raise wrong(f"nq [{request.nq}] is invalid, there are {len(query.values)} queries")
    if query.type == pb.VARCHAR and field.is_function_output:
        return
    if metric == "BM25":
        reason = "please provide varchar/text for BM25 Function based search, got"
        raise wrong(f"{reason} {name_of(query.type)}")
    if query.type != field.data_type:
        reason = f"vector type must be the same, field {field.name} - type"
        raise wrong(f"{reason} {name_of(field.data_type)}, search info {name_of(query.type)}")
    for value in query.values:
        _check_vector(field, value)


def _check_vector(field: pb.FieldSchema, value: bytes) -> None:
    if field.data_type == pb.SPARSE_FLOAT_VECTOR:
        _check_sparse(value)
        return
    wanted = int(entries(field.type_params)["dim"]) * _BITS[field.data_type] // 8
    if len(value) != wanted:
        raise wrong(f"vector dimension mismatch, expected {wanted} bytes, got {len(value)}")


def _check_sparse(value: bytes) -> None:
    if len(value) % _PAIR.size:
        raise wrong("invalid data length in sparse float vector")
    places = [place for place, _ in _PAIR.iter_unpack(value)]
    if sorted(set(places)) != places:
        raise wrong("unsorted or same indices in sparse float vector")
