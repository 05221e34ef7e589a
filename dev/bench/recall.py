"""`python -m bench.recall`: what each index finds, beside one of FAISS over all rows.

Writes the table of docs/engine-indexes.md. The rows are like SIFT's descriptors: 128 whole numbers
from 0 to 255 in clusters of unequal size and width.
"""

import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import click
import faiss
import numpy as np

from quiver_engine.compute.devices import Cpu
from quiver_engine.compute.search import Asked, search
from quiver_engine.files.insert_log import Durability, InsertLog
from quiver_engine.indexes.faiss_indexes import METRICS
from quiver_engine.model import (
    Floats,
    Ids,
    IndexSpec,
    IndexState,
    IndexType,
    InsertBatch,
    Metric,
    Rows,
    Schema,
)
from quiver_engine.store.collection import Collection
from quiver_engine.store.indexing import Indexing
from quiver_engine.store.store import Store
from quiver_engine.store.writing import Writer
from quiver_engine.system.memory import Memory

PAGE = Path(__file__).parents[2] / "docs" / "engine-indexes.md"
BEGIN, END = "<!-- recall: begin -->", "<!-- recall: end -->"

ROWS, DIMENSION, QUERIES, TOPK = 100_000, 128, 500, 10
CLUSTERS = 1000
SEGMENT_MB = 16
CPU = Cpu(Memory())


class Kind(NamedTuple):
    """An index to measure: `ef` is of the graph that stands for it, or of HNSW itself."""

    type: IndexType
    build: dict[str, int]
    search: dict[str, int]
    recipe: str
    ef_construction: int = 0
    ef: int = 0

    def __str__(self) -> str:
        values = ", ".join(f"{name} {value}" for name, value in self.build.items())
        asked = ", ".join(f"{name} {value}" for name, value in self.search.items())
        return f"{self.type.name}, {values}; {asked}"


IVF = {"nlist": 1024}
NSG = {"search_length": 45, "out_degree": 50, "candidate_pool_size": 300, "knng": 100}
KINDS = (
    Kind(IndexType.IVF_FLAT, IVF, {"nprobe": 16}, "IVF1024,Flat"),
    Kind(IndexType.IVF_SQ8, IVF, {"nprobe": 16}, "IVF1024,SQ8"),
    Kind(IndexType.IVF_PQ, IVF | {"m": 16}, {"nprobe": 16}, "IVF1024,PQ16np"),
    Kind(IndexType.IVF_PQ, IVF | {"m": 32}, {"nprobe": 16}, "IVF1024,PQ32np"),
    Kind(IndexType.HNSW, {"M": 16, "efConstruction": 200}, {"ef": 64}, "HNSW16,Flat", 200, 64),
    Kind(IndexType.RNSG, NSG, {"search_length": 50}, "HNSW25,Flat", 300, 64),
    Kind(IndexType.ANNOY, {"n_trees": 8}, {"search_k": -1}, "HNSW16,Flat", 128, 80),
)


@click.command(help=__doc__)
def main() -> None:
    rows, queries = descriptors()
    exact = {metric: faiss.knn(queries, rows, TOPK, METRICS[metric])[1] for metric in METRICS}
    lines = []
    with tempfile.TemporaryDirectory(prefix="quiver-bench-") as folder:
        engine = Engine(Path(folder), rows)
        for kind in KINDS:
            figures = []
            for metric in METRICS:
                figures.append(recall(engine.find(kind, metric, queries), exact[metric]))
                figures.append(recall(whole(kind, metric, rows, queries), exact[metric]))
            lines.append(f"| {kind} | " + " | ".join(f"{figure:.3f}" for figure in figures) + " |")
            click.echo(lines[-1])
        engine.close()
    head = "| index | L2: engine | one FAISS index | IP: engine | one FAISS index |"
    replace_table(PAGE, (BEGIN, END), [head, "|---" * 5 + "|", *lines])


def replace_table(page: Path, marks: tuple[str, str], lines: list[str]) -> None:
    """Put lines in place of those between two marks of a page; raises ValueError without them."""
    begin, end = marks
    before, rest = page.read_text().split(begin)
    _, after = rest.split(end)
    page.write_text("\n".join([before + begin, *lines, end]) + after)


def descriptors() -> tuple[Floats, Floats]:
    """Return rows and queries from one mixture, always the same."""
    random = np.random.default_rng(42)
    centres = random.gamma(1.0, 30.0, size=(CLUSTERS, DIMENSION))
    widths = random.uniform(5, 25, size=(CLUSTERS, 1))
    shares = random.pareto(2.0, CLUSTERS) + 0.1
    places = random.choice(CLUSTERS, ROWS + QUERIES, p=shares / shares.sum())
    noise = random.normal(size=(len(places), DIMENSION)) * widths[places]
    drawn = np.clip(np.round(centres[places] + noise), 0, 255).astype(np.float32)
    return drawn[:ROWS], drawn[ROWS:]


class Engine:
    """The engine's parts in this process, with the rows in three full segments and a small one."""

    def __init__(self, folder: Path, rows: Floats) -> None:
        self._store = Store(folder / "data")
        self._log = InsertLog(self._store.directory.log_path, Durability.OS)
        self._writer = Writer(self._store, self._log)
        self._indexing = Indexing(self._store, self._writer)
        for metric in METRICS:
            self._store.create_collection(Schema(metric.name, DIMENSION, SEGMENT_MB, metric))
            for ids in np.split(np.arange(ROWS), 8):
                some = InsertBatch(metric.name, "_default", Rows.of(rows[ids]), ids)
                self._writer.insert(some)

    def find(self, kind: Kind, metric: Metric, queries: Floats) -> Ids:
        """Build the index where it is not there yet, and search."""
        spec = IndexSpec(kind.type, json.dumps(kind.build))
        collection: Collection = self._store.collection(metric.name)
        self._store.set_index(collection, lambda _: IndexState(spec, requested=True))
        self._indexing.work()
        asked = Asked(queries, TOPK, metric, spec, kind.search)
        return search(collection.segments, asked, CPU.nearest, lambda: True)[0]

    def close(self) -> None:
        self._log.close(is_flushed=True)
        self._store.close()


def whole(kind: Kind, metric: Metric, rows: Floats, queries: Floats) -> Ids:
    """Search the same index of FAISS over all rows, without the engine."""
    index: Any = faiss.index_factory(DIMENSION, kind.recipe, METRICS[metric])
    if kind.ef:
        index.hnsw.efConstruction, index.hnsw.efSearch = kind.ef_construction, kind.ef
    else:
        index.nprobe = kind.search["nprobe"]
    index.train(rows)
    index.add(rows)
    found: Ids = index.search(queries, TOPK)[1]
    return found


def recall(found: Ids, exact: Ids) -> float:
    hits = (len(np.intersect1d(one, other)) for one, other in zip(found, exact, strict=True))
    return sum(hits) / exact.size


if __name__ == "__main__":
    main()
