"""Our part of Milvus' protocol, held against the descriptors of Milvus' own client."""

import json
import subprocess
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from machine.milvus_servers import pymilvus_python
from quiver_proto import milvus2_pb2 as pb

TELL = """
import json, sys
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

FILES = [common_pb2.DESCRIPTOR, milvus_pb2.DESCRIPTOR, schema_pb2.DESCRIPTOR]

def field(f):
    name = f.message_type.name if f.message_type else None
    return [f.number, f.type, bool(f.is_repeated), name]

messages = {m.name: [field(f) for f in m.fields] for d in FILES
            for m in d.message_types_by_name.values()}
enums = {e.name: [v.number for v in e.values] for d in FILES for e in d.enum_types_by_name.values()}
service = milvus_pb2.DESCRIPTOR.services_by_name["MilvusService"]
methods = {m.name: [m.input_type.name, m.output_type.name] for m in service.methods}
json.dump({"service": service.full_name, "methods": methods, "messages": messages,
           "enums": enums}, sys.stdout)
"""
ENUM, INT32, BYTES = (
    FieldDescriptor.TYPE_ENUM,
    FieldDescriptor.TYPE_INT32,
    FieldDescriptor.TYPE_BYTES,
)
COUNTED = "StatisticsResponse"
"""Ours for two messages that are alike."""
THEIR_NAMES = {
    COUNTED: "GetCollectionStatisticsResponse",
}


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    command = [str(pymilvus_python()), "-c", TELL]
    found: dict[str, Any] = json.loads(
        subprocess.run(command, check=True, capture_output=True).stdout
    )
    return found


def test_the_methods_are_milvus_own(theirs: dict[str, Any]) -> None:
    """By name, request and answer."""
    service = pb.DESCRIPTOR.services_by_name["MilvusService"]
    assert service.full_name == theirs["service"]
    for method in service.methods:
        request, answer = theirs["methods"][method.name]
        assert method.input_type.name == request
        assert method.output_type.name == (
            COUNTED if answer.endswith("StatisticsResponse") else answer
        )


@pytest.mark.parametrize("name", list(pb.DESCRIPTOR.message_types_by_name))
def test_the_fields_are_milvus_own(theirs: dict[str, Any], name: str) -> None:
    """By number, type and label. A number may stand for an enum, which is one on the wire."""
    message: Descriptor = pb.DESCRIPTOR.message_types_by_name[name]
    fields = {number: told for number, *told in theirs["messages"][THEIR_NAMES.get(name, name)]}
    for field in message.fields:
        type_, is_repeated, of = fields[field.number]
        assert _on_the_wire(field.type) == _on_the_wire(type_), field.name
        assert field.is_repeated == is_repeated, field.name
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            assert field.message_type.name == of, field.name


@pytest.mark.parametrize("name", list(pb.DESCRIPTOR.enum_types_by_name))
def test_the_numbers_of_enums_are_milvus_own(theirs: dict[str, Any], name: str) -> None:
    numbers = {value.number for value in pb.DESCRIPTOR.enum_types_by_name[name].values}
    assert numbers <= set(theirs["enums"][name])


def _on_the_wire(type_: int) -> int:
    return FieldDescriptor.TYPE_INT32 if type_ == FieldDescriptor.TYPE_ENUM else type_
