"""`python -m bench.recall_of_stored`: what small graphs find, beside annoy and hnswlib.

Writes the table of docs/engine-graphs.md: the recall of the ten nearest, and the share of stored
rows that a search for themselves finds. annoy 1.17.3 and hnswlib 0.8.0 have no wheels, so that
their figures are kept in a file: `--libraries` measures them anew where both are installed.
"""

import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import click
import faiss
import numpy as np

from bench.recall import recall, replace_table
from quiver_engine.indexes import faiss_indexes
from quiver_engine.indexes.faiss_indexes import METRICS, CpuTrainer
from quiver_engine.indexes.graphs import Graph
from quiver_engine.indexes.kinds import KINDS
from quiver_engine.model import Floats, Ids, IndexSpec, IndexType, Metric

PAGE = Path(__file__).parents[2] / "docs" / "engine-graphs.md"
LIBRARIES = Path(__file__).parent / "results" / "recall-libraries.json"
BEGIN, END = "<!-- recall of stored: begin -->", "<!-- recall of stored: end -->"

ROWS, DIMENSION, QUERIES, TOPK, CLUSTERS = 10_000, 64, 300, 10, 100

Find = Callable[[Floats], Ids]


class Data(NamedTuple):
    """Rows, queries, and what is true of them; `own` are the rows among their own ten nearest."""

    name: str
    metric: Metric
    rows: Floats
    queries: Floats
    exact: Ids
    own: Ids

    def figures(self, find: Find) -> list[float]:
        """Return the recall, and the share of `own` that are found."""
        hits = (find(self.rows[self.own]) == self.own[:, None]).any(axis=1)
        return [round(recall(find(self.queries), self.exact), 3), round(float(hits.mean()), 4)]


class Asked(NamedTuple):
    type: IndexType
    build: dict[str, int]
    search: dict[str, int]

    def __str__(self) -> str:
        values = ", ".join(f"{name} {value}" for name, value in self.build.items())
        asked = ", ".join(f"{name} {value}" for name, value in self.search.items())
        return f"{self.type.name}, {values}; {asked}"


NSG = {"search_length": 10, "out_degree": 5, "candidate_pool_size": 50, "knng": 5}
ASKED = (
    *(
        Asked(IndexType.HNSW, {"M": m, "efConstruction": 100}, {"ef": 100})
        for m in (4, 8, 16, 32, 64)
    ),
    Asked(IndexType.RNSG, NSG, {"search_length": 10}),
    Asked(IndexType.RNSG, NSG | {"out_degree": 50}, {"search_length": 50}),
    *(
        Asked(IndexType.ANNOY, {"n_trees": trees}, {"search_k": search_k})
        for trees in (1, 4, 16, 50)
        for search_k in (-1, 100, TOPK)
    ),
)


@click.command(help=__doc__)
@click.option("--libraries", is_flag=True, help="Measure annoy and hnswlib, too.")
def main(*, libraries: bool) -> None:
    faiss.omp_set_num_threads(1)
    every = list(data())
    if libraries:
        figures = {data.name: of_libraries(data) for data in every}
        LIBRARIES.write_text(json.dumps(figures, indent=1) + "\n")
    theirs = json.loads(LIBRARIES.read_text())
    ours = {data.name: of_engine(data) for data in every}
    lines = [line(str(asked), ours, theirs) for asked in ASKED]
    head = "| recall, stored rows found | " + " | ".join(
        f"{data.name}: engine | library" for data in every
    )
    replace_table(PAGE, (BEGIN, END), [f"{head} |", "|---" * (1 + 2 * len(every)) + "|", *lines])


def line(asked: str, ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    cells = [figures[name].get(asked) for name in ours for figures in (ours, theirs)]
    shown = (" ".join(f"{figure:.3f}" for figure in cell) if cell else "" for cell in cells)
    return f"| {asked} | " + " | ".join(shown) + " |"


def data() -> Iterator[Data]:
    """Yield rows without clusters and rows in clusters, for each metric; always the same."""
    random = np.random.default_rng(42)
    scattered = random.normal(size=(ROWS + QUERIES, DIMENSION))
    centres = random.gamma(1.0, 30.0, size=(CLUSTERS, DIMENSION))
    places = random.integers(CLUSTERS, size=ROWS + QUERIES)
    clustered = np.round(centres[places] + 10 * random.normal(size=scattered.shape)).clip(0, 255)
    for kind, drawn in (("scattered", scattered), ("clustered", clustered)):
        rows, queries = np.split(drawn.astype(np.float32), [ROWS])
        for metric in METRICS:
            exact, near = (faiss.knn(of, rows, TOPK, METRICS[metric])[1] for of in (queries, rows))
            own = np.flatnonzero((near == np.arange(ROWS)[:, None]).any(axis=1))
            yield Data(f"{kind}, {metric.name}", metric, rows, queries, exact, own)


def of_engine(data: Data) -> dict[str, list[float]]:
    figures, built = {}, {}
    for asked in ASKED:
        spec = IndexSpec(asked.type, json.dumps(asked.build))
        recipe = cast("Graph", KINDS[asked.type].recipe)
        # Different parameters can stand for the same graph.
        key = recipe.shape(asked.build)
        if key not in built:
            build = (recipe, spec, data.metric, data.rows, lambda: True, CpuTrainer())
            built[key] = faiss_indexes.build(*build)

        def find(queries: Floats) -> Ids:
            wanted = (asked.build, asked.search, queries, TOPK, None)  # noqa: B023 - called at once
            return recipe.search(built[key], *wanted)[1]  # noqa: B023 - as above

        figures[str(asked)] = data.figures(find)
        click.echo(f"{data.name}: {asked}: {figures[str(asked)]}")
    return figures


def of_libraries(data: Data) -> dict[str, list[float]]:
    finders = {IndexType.HNSW: hnswlib, IndexType.ANNOY: annoy}
    return {
        str(asked): data.figures(finders[asked.type](data, asked.build, asked.search))
        for asked in ASKED
        if asked.type in finders
    }


def hnswlib(data: Data, build: dict[str, int], search: dict[str, int]) -> Find:
    space = {Metric.L2: "l2", Metric.IP: "ip"}[data.metric]
    index = importlib.import_module("hnswlib").Index(space, DIMENSION)
    index.init_index(ROWS, M=build["M"], ef_construction=build["efConstruction"])
    index.add_items(data.rows, num_threads=1)
    index.set_ef(search["ef"])
    return lambda queries: index.knn_query(queries, TOPK, num_threads=1)[0].astype(np.int64)


def annoy(data: Data, build: dict[str, int], search: dict[str, int]) -> Find:
    space = {Metric.L2: "euclidean", Metric.IP: "dot"}[data.metric]
    index = importlib.import_module("annoy").AnnoyIndex(DIMENSION, space)
    index.set_seed(1)
    for number, row in enumerate(data.rows):
        index.add_item(number, row)
    index.build(build["n_trees"], n_jobs=1)

    def find(queries: Floats) -> Ids:
        found = np.full((len(queries), TOPK), -1)
        for place, query in enumerate(queries):
            ids = index.get_nns_by_vector(query, TOPK, search_k=search["search_k"])
            found[place, : len(ids)] = ids
        return found

    return find


if __name__ == "__main__":
    main()
