"""`python -m storm`: users edit collections while everything around them breaks, from a seed.

A Kubernetes control plane, two operators with leader election, four engines of an external
VectorEngine, every one of them on a machine of its own in a network namespace. While users create,
edit and delete, processes are killed and paused, the network is slow or cut, in one direction or in
both, etcd's disk is full, and the clock of one operator is off by a minute all the while. Then
everything works again, and in the end all must be as the users asked. Needs root.
"""

import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

import click

from machine.errors import SetupError
from storm import network
from storm.network import Network
from storm.plane import enter_private_mounts
from storm.storming import Result, storm
from storm.testbed import ENGINES, OPERATORS, Options
from storm.timeline import Timeline


@click.command(help=__doc__, context_settings={"show_default": True})
@click.option("--seed", type=int, help="Repeats a storm's faults and edits; chosen if not given.")
@click.option("--minutes", default=15.0, help="How long the storm lasts.")
@click.option("--collections", default=2000, help="How many there are when it begins.")
@click.option("--resync-period", default=20, help="The operators' own, in seconds.")
@click.option("--verify-period", default=120, help="The operators' own, in seconds.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where logs and the timeline go; a new folder below the temporary one if not given.",
)
def main(
    seed: int | None,
    minutes: float,
    collections: int,
    resync_period: int,
    verify_period: int,
    folder: Path | None,
) -> None:
    problem = network.problem()
    if problem:
        raise click.ClickException(f"there can be no storm here: {problem}")
    enter_private_mounts()
    folder = folder or Path(tempfile.mkdtemp(prefix="quiver-storm-"))
    folder.mkdir(parents=True, exist_ok=True)
    seed = secrets.randbelow(10**6) if seed is None else seed
    options = Options(seed, minutes * 60, collections, resync_period, verify_period, folder)
    timeline = Timeline(folder / "timeline.log")
    timeline.add(f"seed {seed}; logs in {folder}")
    try:
        # Outside of the loop: pyroute2 runs one of its own.
        with Network([*OPERATORS, *ENGINES], folder / "router.log") as machines:
            result = asyncio.run(storm(options, timeline, machines))
    except (SetupError, TimeoutError) as error:
        raise click.ClickException(f"seed {seed}: {error} (logs in {folder})") from error
    report(result, options)
    if result.wrong:
        sys.exit(1)


def report(result: Result, options: Options) -> None:
    click.echo("\nfaults")
    for kind, times in sorted(result.faults.items()):
        click.echo(f"  {kind:<24} {times:>5}")
    click.echo("edits")
    for kind, times in sorted(result.edits.items()):
        click.echo(f"  {kind:<24} {times:>5}")
    click.echo("memory, MiB                before  after")
    for name, (before, after) in result.memory.items():
        click.echo(f"  {name:<24} {before:>5.0f}  {after:>5.0f}")
    click.echo(f"leases lost: {result.lost_leases}")
    click.echo(f"calm after {result.calm_s:.0f} s, {result.writes} writes after that")
    if not result.wrong:
        click.echo(f"seed {options.seed}: everything is as the users asked")
        return
    click.echo(f"\nseed {options.seed}: {len(result.wrong)} things are wrong")
    for what in result.wrong[:50]:
        click.echo(f"  {what}")
    click.echo(f"timeline and logs: {options.folder}")


main()
