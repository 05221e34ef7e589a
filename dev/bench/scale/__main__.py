"""`python -m bench.scale`: thousands of collections at once, beside the least that it takes and
beside a plain kopf operator, in one run.

Compare the ratios: machines differ, and are noisy.
"""

import asyncio
import tempfile
import time
from pathlib import Path

import click

from bench.scale.bench import Say
from bench.scale.figures import Run
from bench.scale.phases import Scope, measure
from bench.scale.plot import plot
from bench.scale.report import read_json, table, write_json

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "dev" / "bench" / "results"
PAGE, PLOT = ROOT / "docs" / "scale.md", ROOT / "docs" / "scale.svg"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PICTURE = f"![Ready by when]({PLOT.name})"
FULL = ((4096, 1), (10000, 4))


@click.command(help=__doc__)
@click.option(
    "--collections",
    type=click.IntRange(min=1),
    help="One smaller run, which leaves the docs as they are.  [default: 4,096 on one engine, then"
    " 10,000 on four]",
)
@click.option(
    "--engines", type=click.IntRange(min=1), default=1, help="Engines of the smaller run."
)
@click.option("--idle", default=120.0, show_default=True, help="Seconds of doing nothing.")
@click.option(
    "--plain-kopf/--no-plain-kopf", default=True, help="Whether to measure a plain kopf operator."
)
@click.option("--again", is_flag=True, help="Write the docs anew from the results that are there.")
def main(collections: int | None, engines: int, idle: float, plain_kopf: bool, again: bool) -> None:
    sizes = FULL if collections is None else ((collections, engines),)
    runs = [Run(collections=count, engines=members) for count, members in sizes]
    if again:
        keep([read_json(path_of(run)) for run in runs if path_of(run).exists()])
        return
    for run in runs:
        click.echo(f"{run.collections} collections, {run.engines} engines")
        with tempfile.TemporaryDirectory(prefix="quiver-bench-") as folder:
            asyncio.run(measure(Path(folder), run, Scope(idle, plain_kopf), teller()))
        click.echo(table([run]))
        if collections is None:
            write_json(path_of(run), run)
    if collections is None:
        keep(runs)


def path_of(run: Run) -> Path:
    return RESULTS / f"operator-{run.collections}.json"


def keep(runs: list[Run]) -> None:
    PLOT.write_text(plot(runs))
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{PICTURE}\n\n{table(runs)}\n{END}{after}")


def teller() -> Say:
    begun = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - begun:6.0f} s  {text}")

    return say


if __name__ == "__main__":
    main()
