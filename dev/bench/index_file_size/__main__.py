"""`python -m bench.index_file_size`: the same rows in ever larger segments.

Writes the table and the plot of docs/index-file-size.md. Times are CPU time, which other work on
the machine disturbs less than the clock.
"""

import tempfile
from pathlib import Path

import click

from bench.index_file_size.data import Plan, clustered
from bench.index_file_size.measure import Figures, measure
from bench.index_file_size.report import plot, table
from bench.recall import replace_table

ROOT = Path(__file__).parents[3]
PAGE, PLOT = ROOT / "docs" / "index-file-size.md", ROOT / "docs" / "index-file-size.svg"

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
def main(full: bool) -> None:
    plan = FULL if full else SMALL
    figures = measure_all(plan)
    name = "measured at full size" if full else "measured"
    marks = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    replace_table(PAGE, marks, table(plan, figures))
    if not full:
        PLOT.write_text(plot(figures))


def measure_all(plan: Plan) -> list[Figures]:
    click.echo(f"{plan.total_mb} MB of vectors are drawn, and searched without an index")
    data = clustered(plan)
    figures = []
    for size in plan.sizes_mb:
        click.echo(f"{size} MB a segment: insert, index, search")
        with tempfile.TemporaryDirectory(prefix="quiver-bench-") as folder:
            figures.append(measure(Path(folder), size, plan, data))
            click.echo(f"  {figures[-1]}")
    return figures


if __name__ == "__main__":
    main()
