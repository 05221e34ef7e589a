"""`python -m soak`: mixed calls against one engine, each answer held against an oracle.

Six small collections under several users who insert, delete, flush, compact, index, search, and
drop and create partitions and collections. Every answer must fit a state between those that were
acknowledged when the call was sent and when it was answered. The engine is killed now and then and
must have kept what it acknowledged. What it uses at rest must not grow.
"""

import secrets
import sys
from pathlib import Path

import click

from soak import report
from soak.run import Options
from soak.soaking import soak

RESULTS = Path(__file__).parents[2] / "results"


@click.command(help=__doc__, context_settings={"show_default": True})
@click.option("--seed", type=int, help="Repeats a soak's calls; chosen if not given.")
@click.option("--minutes", default=60.0, help="How long it lasts.")
@click.option("--users", default=6, help="How many call at the same time.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where data, log, figures and plot go; must not hold any. results/soak-SEED if not given.",
)
def main(seed: int | None, minutes: float, users: int, folder: Path | None) -> None:
    seed = secrets.randbelow(10**6) if seed is None else seed
    folder = folder or RESULTS / f"soak-{seed}"
    if (folder / "data").exists():
        raise click.ClickException(f"{folder} holds an earlier soak's data: remove or choose anew")
    folder.mkdir(parents=True, exist_ok=True)
    options = Options(seed, minutes * 60, folder, users=users)
    click.echo(f"seed {seed}, {minutes:g} minutes, into {folder}")
    result = soak(options, click.echo)
    report.write(result, options)
    for line in report.table(result, options):
        click.echo(line)
    if result.wrong:
        sys.exit(1)


main()
