"""`python -m bench.index_file_size`: the same rows in ever larger segments.

Writes the table and the plot of docs/index-file-size.md. Times are CPU time, which other work on
the machine disturbs less than the clock.
"""

import json
import tempfile
from pathlib import Path

import click
import faiss

from bench.index_file_size.data import Plan, clustered
from bench.index_file_size.measure import Figures, measure
from bench.index_file_size.report import plot, table

ROOT = Path(__file__).parents[3]
PAGE, PLOT = ROOT / "docs" / "index-file-size.md", ROOT / "docs" / "index-file-size.svg"
RESULTS = ROOT / "dev" / "bench" / "results" / "index-file-size-full.json"

SMALL = Plan(
    total_mb=64, sizes_mb=(4, 8, 16, 32, 64), nlist=1024, nprobes=(16,), queries=200, flat_queries=0
)
FULL = Plan(
    total_mb=4096,
    sizes_mb=(512, 1024, 2048, 4096),
    nlist=4096,
    nprobes=(4, 16, 64),
    queries=100,
    flat_queries=10,
)


@click.command(help=__doc__)
@click.option("--full", is_flag=True, help="4 GiB of vectors: an hour, 12 GiB of memory and disk.")
@click.option("--again", is_flag=True, help="Write the docs from the results of the last full run.")
def main(full: bool, again: bool) -> None:
    plan = FULL if full or again else SMALL
    if again:
        figures = [Figures.of(each) for each in json.loads(RESULTS.read_text())]
    else:
        figures = measure_all(plan)
    if plan is SMALL:
        write("measured", table(plan, figures))
        PLOT.write_text(plot(figures))
        return
    RESULTS.write_text(json.dumps([each.stored() for each in figures], indent=1) + "\n")
    write("measured at full size", table(plan, figures))


def measure_all(plan: Plan) -> list[Figures]:
    click.echo(f"{plan.total_mb} MB of vectors are drawn, and searched without an index")
    data = clustered(plan)
    faiss.omp_set_num_threads(1)
    figures = []
    for size in plan.sizes_mb:
        click.echo(f"{size} MB a segment: insert, index, search")
        with tempfile.TemporaryDirectory(prefix="quiver-bench-") as folder:
            figures.append(measure(Path(folder), size, plan, data))
            click.echo(f"  {figures[-1]}")
    return figures


def write(name: str, text: str) -> None:
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = PAGE.read_text().partition(begin)
    after = rest.partition(end)[2]
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{after}")


if __name__ == "__main__":
    main()
