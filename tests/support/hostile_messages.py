"""Messages that a hostile client may send: valid ones with odd values, and broken ones."""

from typing import Any

import numpy as np
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from quiver_proto import milvus_pb2 as pb

METHODS = {
    method.name: method for method in pb.DESCRIPTOR.services_by_name["MilvusService"].methods
}
COLLECTIONS = ["floats", "indexed", "bits", "fresh"]
TAGS = ["_default", "p", "p|_default", ".*", "(a|a)*b", "(", "(.{1,200}){1,200}", "nul\0", "größe"]
PARAMS = [
    "{}",
    '{"nprobe": 4}',
    '{"nlist": 8}',
    '{"nlist": 8, "m": 2, "nbits": 8}',
    '{"nlist": 8, "m": 0}',
    '{"M": 8, "efConstruction": 40}',
    '{"ef": 64}',
    '{"nprobe": ' + "[" * 2000 + "]" * 2000 + "}",
    '{"nlist": ' + "9" * 4000 + "}",
    '{"nprobe": NaN}',
    '{"nlist": 1e400}',
    '{"nlist": true}',
    '{"a": ' * 600,
    "[]",
    "\ud7ff\0",
]
COMMANDS = [
    "version",
    "status",
    "mode",
    "tasktable",
    "requests",
    "build_commit_id",
    "get_system_info",
    "get_config *",
    "get_config storage.auto_flush_interval",
    "set_config storage.auto_flush_interval 1",
    "set_config storage.auto_flush_interval 00000000000000000000000000",
    "set_config cache.cache_size " + "9" * 5000,
    "set_config",
    "get_config",
]
_TEXTS: dict[str, list[str]] = {
    "collection_name": COLLECTIONS,
    "collection_name_array": COLLECTIONS,
    "partition_tag": TAGS,
    "partition_tag_array": TAGS,
    "tag": TAGS,
    "key": ["params"],
    "value": PARAMS,
    "cmd": COMMANDS,
    "segment_name": ["1", "2", "3", "4"],
    "segment_id_array": ["1", "2", "3", "4"],
    "file_id_array": ["1", "2", "3", "4"],
}
ENDS = [0, 1, -1, 2, 2**31 - 1, -(2**31), 2**31, 2**32, 2**53, 2**63 - 1, -(2**63)]
_NUMBERS: dict[str, list[int]] = {
    "topk": [1, 2, 10, 1000, 1 << 20, (1 << 20) + 1],
    "dimension": [1, 4, 8, 32_768],
    "index_file_size": [1, 1024, 131_072],
    "metric_type": [*range(9)],
    "index_type": [1, 2, 3, 4, 5, 6, 11, 12],
}
_WIDTHS = st.sampled_from([4, 4, 4, 4, 0, 1, 3, 5, 64])


def texts(name: str) -> st.SearchStrategy[str]:
    odd = st.sampled_from(["", "\0", "a" * 255, "a" * 256, "é" * 200, "x" * 5000]) | st.text()
    usual = _TEXTS.get(name)
    return st.one_of(st.sampled_from(usual), st.sampled_from(usual), odd) if usual else odd


def numbers(field: FieldDescriptor) -> st.SearchStrategy[int]:
    if field.type == field.TYPE_UINT64:
        return st.integers(0, 2**64 - 1)
    bits = 32 if field.type in (field.TYPE_INT32, field.TYPE_ENUM) else 64
    ends = [end for end in ENDS if -(2 ** (bits - 1)) <= end < 2 ** (bits - 1)]
    usual = _NUMBERS.get(field.name, list(range(20)))
    return st.sampled_from(usual) | st.sampled_from(ends)


def floats() -> st.SearchStrategy[pb.RowRecord]:
    """Return rows of four floats: small ones, or any bits, NaN and infinity among them."""
    usual = st.just(pb.RowRecord(float_data=[0.5, -1, 2, 0]))
    return usual | _floats(st.just(4))


def bits() -> st.SearchStrategy[pb.RowRecord]:
    """Return rows of 32 bits."""
    return st.binary(min_size=4, max_size=4).map(lambda row: pb.RowRecord(binary_data=row))


def rows() -> st.SearchStrategy[pb.RowRecord]:
    """Return rows of all widths, and binary ones."""
    binary = st.binary(max_size=9).map(lambda row: pb.RowRecord(binary_data=row))
    return floats() | _floats(_WIDTHS) | binary


def _floats(widths: st.SearchStrategy[int]) -> st.SearchStrategy[pb.RowRecord]:
    bits = widths.flatmap(lambda width: st.binary(min_size=4 * width, max_size=4 * width))
    return bits.map(lambda some: pb.RowRecord(float_data=np.frombuffer(some, "<f4")))


def values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return messages(field.message_type)
    if field.type == field.TYPE_BOOL:
        return st.booleans()
    if field.type == field.TYPE_STRING:
        return texts(field.name)
    if field.type == field.TYPE_BYTES:
        return st.just(b"") | st.binary(max_size=20)
    return numbers(field)


def contents(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Return what a field may hold: a value, some of them, or a map."""
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        key, value = (values(entry.fields_by_name[name]) for name in ("key", "value"))
        return st.dictionaries(key, value, max_size=4)
    return st.lists(values(field), max_size=4) if field.is_repeated else values(field)


def messages(type_: Descriptor) -> st.SearchStrategy[Any]:
    """Return valid messages of a type: all fields set, or some, or an Insert that fits."""
    if type_.name == "RowRecord":
        return rows()
    fields = {field.name: contents(field) for field in type_.fields if field.name != "status"}
    words = [f.name for f in type_.fields if f.name in _TEXTS and f.type == f.TYPE_STRING]
    given = [
        st.fixed_dictionaries(fields | {name: texts(name) for name in words}),
        st.fixed_dictionaries({}, optional=fields),
    ]
    fitting = {name: one for name, one in _FITTING.items() if name in fields}
    given += [st.fixed_dictionaries(fitting)] * 2
    return st.one_of(given).map(lambda some: GetMessageClass(type_)(**some))


_FITTING: dict[str, st.SearchStrategy[Any]] = {
    "collection_name": st.sampled_from(COLLECTIONS),
    "row_record_array": st.lists(floats(), min_size=2, max_size=2)
    | st.lists(bits(), min_size=2, max_size=2),
    "query_record_array": st.lists(floats(), min_size=1, max_size=3)
    | st.lists(bits(), min_size=1, max_size=3),
    "row_id_array": st.lists(st.sampled_from(ENDS), min_size=2, max_size=2),
    "id_array": st.lists(st.sampled_from([*ENDS, 3, 4, 5]), min_size=1, max_size=9),
    "topk": st.sampled_from([1, 2, 10, 1000]),
    "dimension": st.sampled_from([4, 8, 32]),
    "index_file_size": st.sampled_from([1, 1024]),
    "metric_type": st.sampled_from([1, 2, 3, 5, 6]),
    "index_type": st.sampled_from([1, 2, 3, 4, 6, 11, 12]),
    "tag": st.sampled_from(["p", "q"]),
    "extra_params": st.sampled_from(
        [
            (
                '{"nlist": 8, "nprobe": 4, "m": 2, "M": 8, "efConstruction": 40, "ef": 2000,'
                ' "search_length": 20, "out_degree": 20, "candidate_pool_size": 60, "knng": 20,'
                ' "n_trees": 4, "search_k": -1}'
            ),
            '{"nlist": 65536, "nprobe": 65536, "m": 4, "M": 4, "efConstruction": 9, "ef": 32768}',
        ]
    ).map(lambda text: [pb.KeyValuePair(key="params", value=text)]),
    "segment_name": st.integers(1, 9).map(str),
    "segment_id_array": st.just([]),
    "file_id_array": st.integers(1, 9).map(lambda number: [str(number)]),
    "search_param": st.deferred(lambda: messages(pb.SearchParam.DESCRIPTOR)),
    "cmd": st.sampled_from(COMMANDS),
}


def twisted(raw: bytes) -> st.SearchStrategy[bytes]:
    """Return ways to break, lengthen or repeat a serialized message."""
    place = st.integers(0, max(0, len(raw) - 1))
    inserted = st.binary(max_size=8) | st.sampled_from(
        [
            b"\x1d\0\0\x80?",  # an unpacked float
            b"\xf8\xff\xff\xff\x0f\x01",  # an unknown field
            b"\x0a\x06floats",  # the name once more
            b"\x12\xff\xff\xff\xff\x07",  # a length of two GiB
            b"\x0b\x0c",  # a group
            b"\x0a\x02\xff\xfe",  # no UTF-8
        ]
    )
    return st.one_of(
        st.tuples(place, st.integers(0, 7)).map(lambda at: _flipped(raw, *at)),
        place.map(lambda end: raw[:end]),
        st.tuples(place, inserted).map(lambda at: raw[: at[0]] + at[1] + raw[at[0] :]),
        inserted.map(lambda more: raw + more),
        st.just(raw + raw),
    )


def _flipped(raw: bytes, place: int, bit: int) -> bytes:
    if not raw:
        return raw
    return raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :]


def requests(rpc: str) -> st.SearchStrategy[bytes]:
    """Return a call's serialized requests: as many broken as valid ones."""
    valid = messages(METHODS[rpc].input_type).map(lambda message: message.SerializeToString())
    return valid | valid.flatmap(twisted)


def calls() -> st.SearchStrategy[tuple[str, bytes]]:
    """Return calls of all kinds with their requests."""
    # What takes rows has more ways to go wrong, and what drops them leaves less to go wrong.
    often = ["Insert", "Search", "SearchByID", "SearchInFiles", "GetVectorsByID", "CreateIndex"]
    drops = {"DropCollection", "DropIndex"}
    twice = sorted(METHODS.keys() - drops) * 2
    return st.sampled_from([*twice, *drops, *often * 2]).flatmap(
        lambda rpc: st.tuples(st.just(rpc), requests(rpc))
    )
