"""`python -m bench`: figures as ratios of one run, since machines differ and are noisy."""

import asyncio
import tempfile
from pathlib import Path

import click

from bench.collections import Figures, measure
from localcluster import ControlPlane


@click.command(help=__doc__)
@click.option("--collections", default=1000, show_default=True, help="How many to apply at once.")
def main(collections: int) -> None:
    with tempfile.TemporaryDirectory(prefix="quiver-bench-") as folder:
        directory = Path(folder)
        with ControlPlane(directory / "control-plane", audit=True) as control_plane:
            figures = asyncio.run(measure(control_plane, directory, collections))
    report(figures)


def report(figures: Figures) -> None:
    count = figures.collections
    click.echo(f"{count} collections, one engine process, one operator process")
    ratio = figures.create_s / figures.floor_s
    click.echo(
        f"create: {count / figures.create_s:.0f}/s to Ready, {ratio:.2f} times the floor's time "
        "(the same two API writes and the engine's calls, and nothing else)"
    )
    click.echo(f"delete: {count / figures.delete_s:.0f}/s")
    click.echo(f"restart: quiet after {figures.restart_s:.1f} s")
    for phase, writes in figures.writes.items():
        click.echo(f"API writes for each collection, {phase}: {writes:.2f}")
    click.echo(f"operator: {figures.peak_rss_mib:.0f} MiB at its peak, ", nl=False)
    click.echo(f"{figures.cpu_ms:.1f} ms of CPU for each collection created")


main()
