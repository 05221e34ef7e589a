"""A store's life in calls of the protocol, and what must be there after it was cut off.

The life has every call that changes something, several of them under circumstances of their own,
with flushes, merges, builds and log files in between. It is small, since it is lived many times: a
megabyte is a kilobyte here, and an index wants 39 rows.
"""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from quiver_engine import model
from quiver_engine.calls.service import Service
from quiver_engine.config_nodes import ConfigNodes
from quiver_engine.files import insert_log
from quiver_engine.files.insert_log import Durability, InsertLog
from quiver_engine.metrics.metrics import Metrics
from quiver_engine.store import collection, indexing
from quiver_engine.store.indexing import Indexing
from quiver_engine.store.maintenance import Maintenance
from quiver_engine.store.store import Store
from quiver_engine.store.writing import Writer
from quiver_proto import milvus_pb2 as pb

model.MIB = 1024
collection.MIN_INDEXED_ROWS = 39
insert_log.ROTATED_BYTES = 2048
indexing.LOOK_S = 0
ROWS = 60
BACKGROUND = "background"

Call = tuple[str, Any]


@dataclass
class Held:
    """A collection as it should be: rows by partition, each known by its first number."""

    ids: str
    index: tuple[int, str] = (1, "{}")
    rows: dict[str, set[int]] = field(default_factory=lambda: {"_default": set()})


State = dict[str, Held]


def rows(first: int) -> range:
    return range(first, first + ROWS)


def create(name: str, metric: int) -> Call:
    return "CreateCollection", pb.CollectionSchema(
        collection_name=name, dimension=2, index_file_size=1, metric_type=metric
    )


def insert(name: str, first: int, tag: str = "_default", *, by_user: bool = True) -> Call:
    records = [pb.RowRecord(float_data=[row, -row]) for row in rows(first)]
    ids = rows(first) if by_user else ()
    return "Insert", pb.InsertParam(
        collection_name=name, row_record_array=records, row_id_array=ids, partition_tag=tag
    )


def delete(name: str, ids: list[int], tag: str = "") -> Call:
    return "DeleteByID", pb.DeleteByIDParam(collection_name=name, id_array=ids, partition_tag=tag)


def index(name: str, kind: int) -> Call:
    params = pb.KeyValuePair(key="params", value=json.dumps({"nlist": 2}))
    return "CreateIndex", pb.IndexParam(
        collection_name=name, index_type=kind, extra_params=[params]
    )


def named(call: str, name: str) -> Call:
    return call, pb.CollectionName(collection_name=name)


def partition(call: str, name: str, tag: str) -> Call:
    return call, pb.PartitionParam(collection_name=name, tag=tag)


def flush(*names: str) -> Call:
    return "Flush", pb.FlushParam(collection_name_array=names)


LIFE: list[Call] = [
    create("c", 1),
    partition("CreatePartition", "c", "p"),
    insert("c", 0),
    insert("c", 1000, "p"),
    flush("c"),
    insert("c", 100),
    delete("c", [*range(10), *range(100, 110), *range(1000, 1010)]),
    create("a", 2),
    insert("a", 0, by_user=False),
    flush(),
    (BACKGROUND, None),
    index("c", 2),
    insert("c", 200),
    flush("c"),
    insert("c", 300),
    (BACKGROUND, None),
    delete("c", [*range(200, 230)], "_default"),
    insert("c", 1100, "p"),
    flush("c"),
    named("Compact", "c"),
    (BACKGROUND, None),
    index("c", 3),
    named("DropIndex", "c"),
    partition("DropPartition", "c", "p"),
    partition("CreatePartition", "c", "p"),
    insert("c", 1200, "p"),
    named("DropCollection", "a"),
    create("a", 1),
    insert("a", 500, by_user=False),
    (BACKGROUND, None),
    insert("c", 400),
]
CHANGES = [call for call in LIFE if call[0] != BACKGROUND]


def states() -> list[State]:
    """Return what there should be before the first change, after it, and so on."""
    found: list[State] = [{}]
    for name, request in CHANGES:
        state = copy.deepcopy(found[-1])
        _apply(state, name, request)
        found.append(state)
    return found


def _apply(state: State, name: str, request: Any) -> None:
    of = getattr(request, "collection_name", "")
    match name:
        case "CreateCollection":
            state[of] = Held("automatic" if of == "a" else "user")
        case "DropCollection":
            del state[of]
        case "CreatePartition":
            state[of].rows[request.tag] = set()
        case "DropPartition":
            del state[of].rows[request.tag]
        case "CreateIndex":
            state[of].index = (request.index_type, request.extra_params[0].value)
        case "DropIndex":
            state[of].index = (1, "{}")
        case "Insert" | "DeleteByID":
            _apply_rows(state[of], name, request)
        case _:
            assert name in ("Flush", "Compact"), name


def _apply_rows(held: Held, name: str, request: Any) -> None:
    if name == "Insert":
        inserted = {int(record.float_data[0]) for record in request.row_record_array}
        held.rows[request.partition_tag] |= inserted
        return
    for tag, there in held.rows.items():
        if request.partition_tag in ("", tag):
            there -= set(request.id_array)


@dataclass
class Opened:
    store: Store
    writer: Writer
    log: InsertLog
    indexing: Indexing

    @classmethod
    def at(cls, directory: Path) -> "Opened":
        store = Store(directory)
        log = InsertLog(store.directory.log_path, Durability.FSYNC)
        writer = Writer(store, log)
        return cls(store, writer, log, Indexing(store, writer))


def live(directory: Path, acknowledge: Callable[[], object]) -> None:
    """Live the whole life, telling after each change that it was answered."""
    opened = Opened.at(directory)
    config_nodes = ConfigNodes()
    service = Service(opened.store, opened.writer, opened.indexing, config_nodes, Metrics())
    rpcs = service.rpcs()
    background = Maintenance(opened.store, opened.writer, opened.indexing, config_nodes, _fail)

    def build() -> bool:
        opened.indexing.work()
        return True

    for name, request in LIFE:
        if name == BACKGROUND:
            opened.writer.flush_all()
            background.merge_all()
            build()
            background.merge_all()
            continue
        # CreateIndex asks now and then whether its caller still waits, and builds meanwhile here.
        reply = rpcs[name].reply.FromString(rpcs[name].answer(request.SerializeToString(), build))
        status = reply if isinstance(reply, pb.Status) else reply.status
        assert status.error_code == pb.SUCCESS, f"{name}: {status.reason}"
        acknowledge()
    opened.log.close(is_flushed=opened.writer.flush_all())
    opened.store.close()


def _fail(error: Exception) -> None:
    raise error


def check(directory: Path, answered: int, begun: int) -> None:
    """Open what was left: it must be as after `answered` changes, or `begun`, and nothing between.

    Every index that is asked for can be built then, and no file is left that does not count.
    """
    assert not answered or (directory / "INSTANCE").exists(), "an engine that served lost its id"
    opened = Opened.at(directory)
    store = opened.store
    assert not list(directory.glob("*.tmp"))
    assert store.damaged == 0, "a segment that counts is damaged"
    assert opened.writer.flush_all()
    found = {held.schema.name: _held(held) for held in store.collections()}
    expected = states()[answered : begun + 1]
    assert found in expected, f"after {answered} of {begun}: {found}, and not {expected[0]}"
    opened.indexing.work()
    assert [held.due for held in store.collections() if held.due] == []
    store.remove_retired()
    counting = [s for held in store.collections() for s in held.segments]
    counted = {s.path.name for s in counting} | {s.index.path.name for s in counting if s.index}
    assert {path.name for path in (directory / "segments").iterdir()} == counted
    opened.log.close(is_flushed=True)
    assert list(store.directory.log_path.iterdir()) == []
    store.close()


def _held(found: Any) -> Held:
    by_user = found.schema.name != "a"
    held = {tag: _values(p, by_user=by_user) for tag, p in found.partitions.items()}
    spec = found.index.spec
    return Held("user" if by_user else "automatic", (int(spec.type), spec.params), held)


def _values(found: Any, *, by_user: bool) -> set[int]:
    ids, vectors = np.array([], int), np.empty((0, 2))
    for segment in found.segments:
        living = segment.deletions.living if segment.deletions else slice(None)
        ids = np.concatenate([ids, segment.ids[living]])
        vectors = np.concatenate([vectors, segment.vectors[living]])
    np.testing.assert_array_equal(vectors[:, 1], -vectors[:, 0])
    assert not by_user or (ids == vectors[:, 0]).all(), "a row has another's id"
    assert len(set(ids.tolist())) == len(ids), "a row is there twice"
    return set(vectors[:, 0].astype(int).tolist())


if __name__ == "__main__":
    print(*{name for name, _ in CHANGES})  # noqa: T201 - the caller reads it
