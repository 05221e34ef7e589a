"""`python -m bench.engine`: the engine beside what limits it, in one run on the same data.

Compare the ratios: machines differ, and are noisy. Without options it writes the results into the
docs; with any it leaves them as they are.
"""

import functools
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from bench.engine import beside, insert, many, milvus, search, startup
from bench.engine.data import Size
from bench.engine.figures import Run
from bench.engine.plot import plot
from bench.engine.report import tables, write_json
from quiver_engine.files.insert_log import Durability
from quiver_engine.model import IndexType

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "dev" / "bench" / "results" / "engine.json"
PAGE, PLOT = ROOT / "docs" / "engine-speed.md", ROOT / "docs" / "engine-speed.svg"
PICTURE = f"![Share of FAISS' queries a second]({PLOT.name})"
BEGIN, END = "<!-- speed: begin -->", "<!-- speed: end -->"
SIZES = (Size(100_000, 128), Size(100_000, 768), Size(1_000_000, 128))
PARTS = ("start", "many", "insert", "search", "beside", "milvus")
LARGE_GRAPH_ROWS = 500_000
"""A graph over more rows than this takes many minutes on a few cores."""


class _SizeType(click.ParamType[Size]):
    name = "rows x dimension"

    def convert(
        self, value: str | Size, param: click.Parameter | None, ctx: click.Context | None
    ) -> Size:
        if isinstance(value, Size):
            return value
        rows, _, dimension = value.partition("x")
        if not (rows.isdecimal() and dimension.isdecimal()):
            self.fail(f"{value!r} is not ROWSxDIMENSION, for instance 20000x128", param, ctx)
        return Size(int(rows), int(dimension))


def _scope(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that become the command's argument `scope`."""

    @click.option("--rounds", default=5, show_default=True, help="Turns of engine and limit.")
    @click.option("--seconds", default=0.5, show_default=True, help="Of each side in a turn.")
    @click.option(
        "--collections", default=4096, show_default=True, help="Empty ones of the part `many`."
    )
    @functools.wraps(command)
    def with_scope(*, rounds: int, seconds: float, collections: int, **others: Any) -> None:
        scope = search.Scope(rounds=rounds, seconds=seconds, collections=collections)
        command(scope=scope, **others)

    return with_scope


@click.command(help=__doc__)
@click.option(
    "--part",
    "parts",
    type=click.Choice(PARTS),
    multiple=True,
    help="What to measure.  [default: all]",
)
@click.option(
    "--size",
    "sizes",
    type=_SizeType(),
    multiple=True,
    help="Data, for instance 20000x128.  [default: 100000x128, 100000x768, 1000000x128]",
)
@click.option(
    "--index",
    "indexes",
    type=click.Choice([kind.type.name for kind in search.KINDS]),
    multiple=True,
    help="Indexes.  [default: all, but HNSW for 500,000 rows and more, which takes many minutes]",
)
@_scope
@click.option("--json", "results", type=click.Path(path_type=Path), help="Where the figures go.")
def main(
    parts: Sequence[str],
    sizes: Sequence[Size],
    indexes: Sequence[str],
    scope: search.Scope,
    results: Path | None,
) -> None:
    begun = time.monotonic()
    run = Run(cores=os.cpu_count() or 0, rounds=scope.rounds)
    is_full = not (parts or sizes or indexes)
    asked = Asked(parts or PARTS, sizes or SIZES, indexes)
    with tempfile.TemporaryDirectory(prefix="quiver-bench-") as folder:
        measure(Path(folder), asked, scope, run)
    run.seconds = time.monotonic() - begun
    click.echo(tables(run))
    if results or is_full:
        write_json(results or RESULTS, run)
    if is_full:
        keep(run)


@dataclass(frozen=True)
class Asked:
    """What is to be measured; no indexes means all."""

    parts: Sequence[str]
    sizes: Sequence[Size]
    indexes: Sequence[str]

    def kinds(self, size: Size) -> list[search.Kind]:
        if self.indexes:
            return [kind for kind in search.KINDS if kind.type.name in self.indexes]
        is_large = size.rows >= LARGE_GRAPH_ROWS
        return [k for k in search.KINDS if not (is_large and k.type is IndexType.HNSW)]


def measure(folder: Path, asked: Asked, scope: search.Scope, run: Run) -> None:
    say = teller()
    if "start" in asked.parts:
        run.startup = startup.measure(folder, max(s.rows for s in asked.sizes), scope, say)
    if "many" in asked.parts:
        run.many = many.measure(folder, scope, say)
    if "insert" in asked.parts:
        for size, durability in itertools.product(asked.sizes, Durability):
            run.inserts.append(insert.measure(folder, size, durability, scope.rounds, say))
    if "search" in asked.parts:
        for size in asked.sizes:
            search.measure(folder, size, asked.kinds(size), scope, run, say)
    if "beside" in asked.parts:
        run.besides = beside.measure(folder, asked.sizes[0], scope, say)
    if "milvus" in asked.parts:
        run.duels = milvus.measure(folder, asked.sizes[0], scope, say)


def keep(run: Run) -> None:
    PLOT.write_text(plot(run))
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{PICTURE}\n\n{tables(run)}\n{END}{after}")


def teller() -> search.Say:
    begun = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - begun:6.0f} s  {text}")

    return say


if __name__ == "__main__":
    main()
