"""Which collections are looked at for an index to build."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from quiver_engine.files.insert_log import Durability, InsertLog
from quiver_engine.model import IndexSpec, IndexType, Metric, Schema
from quiver_engine.store.collection import Collection
from quiver_engine.store.indexing import Indexing
from quiver_engine.store.store import Store
from quiver_engine.store.writing import Writer


def test_an_index_is_built_without_a_look_at_other_collections(tmp_path: Path) -> None:
    """CreateIndex takes no longer with thousands of collections than with one."""
    store = Store(tmp_path)
    indexing = Indexing(store, Writer(store, InsertLog(store.directory.log_path, Durability.OS)))
    for number in range(20):
        store.create_collection(Schema(f"c{number}", 4, 1, Metric.L2))
    indexing.work()
    looked_at: list[str] = []

    class Watched(Collection):
        @property
        def due(self) -> list:
            looked_at.append(self.schema.name)
            return super().due

    for collection in store.collections():
        collection.__class__ = Watched
    spec = IndexSpec(IndexType.IVF_FLAT, '{"nlist": 4}')
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(indexing.create, store.collection("c7"), spec, lambda: True)
        indexing.wait_for_work(10)
        indexing.work()
        done.result(timeout=10)
    assert store.collection("c7").index.spec == spec
    assert set(looked_at) == {"c7"}
    store.close()
