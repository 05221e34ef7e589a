"""Default values of fields: in which words they come, and in which they are told."""

from datetime import UTC, datetime

from quiver_proto import milvus2_pb2 as pb
from support.milvus_server.catalog import entries
from support.milvus_server.refusals import Panic, wrong

_DATA = {
    pb.BOOL: "bool_data",
    pb.INT8: "int_data",
    pb.INT16: "int_data",
    pb.INT32: "int_data",
    pb.INT64: "long_data",
    pb.FLOAT: "float_data",
    pb.DOUBLE: "double_data",
    pb.VARCHAR: "string_data",
    pb.TIMESTAMPTZ: "string_data",
}
_BITS = {pb.INT8: 8, pb.INT16: 16}


def check_default(field: pb.FieldSchema) -> None:
    """Raises: Refusal, and Panic for a value without data."""
    if not field.HasField("default_value"):
        return
    value = field.default_value
    data = value.WhichOneof("data")
    if field.is_primary_key:
        raise wrong(f"primary field not support default_value, field {field.name}")
    if field.data_type not in _DATA:
        raise wrong(f"type not support default_value, type: {field.data_type}, name: {field.name}")
    if data is None:
        raise Panic("default value unsupport data type")
    if data != _DATA[field.data_type]:
        raise wrong(
            f"type of field ({field.name}) is not equal to the type({data}) of default_value"
        )
    bits = _BITS.get(field.data_type)
    if bits and not -(2 ** (bits - 1)) <= value.int_data < 2 ** (bits - 1):
        raise wrong(f"[{value.int_data}] is out of range of the field {field.name}")
    if field.data_type == pb.VARCHAR:
        longest = int(entries(field.type_params)["max_length"])
        if len(value.string_data.encode()) > longest:
            raise wrong(f"the length of the default of {field.name} exceeds max length {longest}")
    if field.data_type == pb.TIMESTAMPTZ:
        _instant(value.string_data)


def told(field: pb.FieldSchema) -> pb.FieldSchema:
    """Return the field as it is described: an instant in other words than it came in."""
    copy = pb.FieldSchema()
    copy.CopyFrom(field)
    if field.data_type == pb.TIMESTAMPTZ and field.HasField("default_value"):
        instant = _instant(field.default_value.string_data).astimezone(UTC)
        fraction = f"{instant:.%f}".rstrip("0").rstrip(".")
        copy.default_value.string_data = f"{instant:%Y-%m-%dT%H:%M:%S}{fraction}Z"
    return copy


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise wrong(f"got invalid timestamptz string [{text}]") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
