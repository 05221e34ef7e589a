"""`python -m bench.index_file_size`: the same rows in ever larger segments.

Writes the table and the plot of docs/index-file-size.md. Times are CPU time, which other work on
the machine disturbs less than the clock.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import faiss
import numpy as np
import numpy.typing as npt

from bench.recall import recall
from quiver_engine.compute.devices import Cpu
from quiver_engine.compute.search import Asked, search
from quiver_engine.files.insert_log import Durability, InsertLog
from quiver_engine.model import (
    Floats,
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

DOCS = Path(__file__).parents[2] / "docs"
PAGE, PLOT = DOCS / "index-file-size.md", DOCS / "index-file-size.svg"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

DIMENSION = 128
TOTAL_MB = 64
ROWS = TOTAL_MB * 2**20 // (DIMENSION * 4)
SIZES_MB = (4, 8, 16, 32, 64)
CLUSTERS = 1000
QUERIES = 200
BATCH = 100
TOPK = 10
INDEX = IndexSpec(IndexType.IVF_SQ8, '{"nlist": 1024}')
SEARCH = {"nprobe": 16}
CPU = Cpu(Memory())


@dataclass(frozen=True)
class Figures:
    """What one index_file_size comes to."""

    size_mb: int
    segments: int
    build_s: float
    one_ms: float
    """CPU milliseconds a search of one query."""
    batch_ms: float
    """The same for each query of a batch."""
    recall: float
    index_mb: float
    largest_mb: float
    """The largest index file: what has to fit into memory at once."""


@click.command(help=__doc__)
def main() -> None:
    rows, queries = clustered()
    _, exact = faiss.knn(queries, rows, TOPK)
    faiss.omp_set_num_threads(1)
    figures = []
    for size in SIZES_MB:
        with tempfile.TemporaryDirectory(prefix="quiver-bench-") as folder:
            figures.append(measure(Path(folder), size, rows, queries, exact))
            click.echo(figures[-1])
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{table(figures)}\n{END}{after}")
    PLOT.write_text(plot(figures))


def clustered() -> tuple[Floats, Floats]:
    """Return rows and queries from one mixture, always the same."""
    random = np.random.default_rng(42)
    centres = random.normal(size=(CLUSTERS, DIMENSION))
    places = centres[random.integers(CLUSTERS, size=ROWS + QUERIES)]
    drawn = (places + 0.5 * random.normal(size=places.shape)).astype(np.float32)
    return drawn[:ROWS], drawn[ROWS:]


def measure(
    directory: Path, size_mb: int, rows: Floats, queries: Floats, exact: npt.NDArray[np.int64]
) -> Figures:
    store = Store(directory / "data")
    log = InsertLog(store.directory.log_path, Durability.OS)
    writer = Writer(store, log)
    indexing = Indexing(store, writer)
    store.create_collection(Schema("c", DIMENSION, size_mb, Metric.L2))
    collection = store.collection("c")
    for part in np.split(np.arange(ROWS), 8):
        vectors = rows[part]
        writer.insert(InsertBatch("c", "_default", Rows.of(vectors), part))
    store.set_index(collection, lambda _: IndexState(INDEX, requested=True))
    started = time.process_time()
    indexing.work()
    build_s = time.process_time() - started
    found = np.concatenate([find(collection, query[None]) for query in queries])
    figures = Figures(
        size_mb=size_mb,
        segments=len(collection.segments),
        build_s=build_s,
        one_ms=cpu_ms(collection, [query[None] for query in queries]),
        batch_ms=cpu_ms(collection, np.split(queries, QUERIES // BATCH)),
        recall=recall(found, exact),
        index_mb=store.directory.memory.held_bytes / 2**20,
        largest_mb=max(s.index.disk_bytes for s in collection.segments if s.index) / 2**20,
    )
    log.close(is_flushed=True)
    store.close()
    return figures


def find(collection: Collection, queries: Floats) -> npt.NDArray[np.int64]:
    asked = Asked(queries, TOPK, Metric.L2, INDEX, SEARCH)
    return search(collection.segments, asked, CPU.nearest, lambda: True)[0]


def cpu_ms(collection: Collection, batches: list[Floats]) -> float:
    """Return the least CPU time of a few rounds, for each query."""

    def one_round() -> float:
        before = time.process_time()
        for batch in batches:
            find(collection, batch)
        return time.process_time() - before

    return 1000 * min(one_round() for _ in range(7)) / sum(len(batch) for batch in batches)


def table(figures: list[Figures]) -> str:
    head = (
        "| `indexFileSize` | segments | search, one query | search, batch of 100 | recall | build"
        " | indexes in memory | largest of them |\n|---|---|---|---|---|---|---|---|\n"
    )
    return head + "\n".join(
        f"| {f.size_mb} MB ({describe(f)}) | {f.segments} | {f.one_ms:.2f} ms"
        f" | {f.batch_ms:.2f} ms a query | {f.recall:.3f} | {f.build_s:.1f} s"
        f" | {f.index_mb:.1f} MB | {f.largest_mb:.1f} MB |"
        for f in figures
    )


def describe(figures: Figures) -> str:
    part = TOTAL_MB // figures.size_mb
    return "all" if part == 1 else f"1/{part} of the data"


def plot(figures: list[Figures]) -> str:
    """Return an SVG of both search times over the size, on a scale from 0."""
    width, height, left, bottom = 640, 320, 70, 50
    top = max(f.one_ms for f in figures) * 1.1

    def points(values: list[float]) -> Iterator[tuple[float, float]]:
        for place, value in enumerate(values):
            x = left + place * (width - left - 40) / (len(values) - 1)
            yield x, height - bottom - value / top * (height - bottom - 20)

    def line(values: list[float], colour: str) -> str:
        way = " ".join(f"{x:.0f},{y:.0f}" for x, y in points(values))
        return f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>'

    legend = {"#1f6feb": "one query: CPU ms", "#d4740b": f"batch of {BATCH}: CPU ms a query"}
    ones, batches = [f.one_ms for f in figures], [f.batch_ms for f in figures]
    labels = [
        f'<text x="{x:.0f}" y="{height - bottom + 20}" text-anchor="middle">{f.size_mb}</text>'
        for (x, _), f in zip(points(ones), figures, strict=True)
    ]
    numbers = [
        f'<text x="{x:.0f}" y="{y - 8:.0f}" text-anchor="middle">{value:.2f}</text>'
        for values in (ones, batches)
        for (x, y), value in zip(points(values), values, strict=True)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
            "<style>text { font: 12px sans-serif }</style>",
            f'<rect width="{width}" height="{height}" fill="white"/>',
            f'<path d="M{left} 20V{height - bottom}H{width - 20}" fill="none" stroke="#888"/>',
            line(ones, "#1f6feb"),
            line(batches, "#d4740b"),
            *labels,
            *numbers,
            f'<text x="{width / 2}" y="{height - 8}" text-anchor="middle">indexFileSize, MB</text>',
            *(
                f'<text x="{width - 250}" y="{30 + 18 * place}" fill="{colour}">{text}</text>'
                for place, (colour, text) in enumerate(legend.items())
            ),
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    main()
