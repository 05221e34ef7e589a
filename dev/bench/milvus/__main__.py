"""`python -m bench.milvus`: collections on Milvus 2.3.5 at once, beside a bare loop that makes the
same calls, in one run.

Compare the ratios: machines differ, and are noisy.
"""

import asyncio
import tempfile
from pathlib import Path

import click

from bench.milvus.figures import Figures
from bench.milvus.measure import measure
from bench.milvus.report import keep, table
from bench.scale.__main__ import teller

FULL = ((200, True), (1000, False))


@click.command(help=__doc__)
@click.option(
    "--collections",
    type=click.IntRange(min=1),
    help="One smaller run with index and load, which leaves the docs as they are.  [default: 200 "
    "with index and load, then 1,000 that are not loaded]",
)
def main(collections: int | None) -> None:
    sizes = FULL if collections is None else ((collections, True),)
    runs = [Figures(collections=count, loaded=loaded) for count, loaded in sizes]
    for run in runs:
        click.echo(f"{run.collections} collections, {run.how}")
        with tempfile.TemporaryDirectory(prefix="quiver-bench-") as folder:
            asyncio.run(measure(Path(folder), run, teller()))
    click.echo(table(runs))
    if collections is None:
        keep(runs)


if __name__ == "__main__":
    main()
