"""The command line behind `make release` and `make release-check`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from imagebuild.builders import ON_PATH
from imagebuild.images import ROOT
from imagebuild.making import Options
from machine.cli import Group
from machine.errors import SetupError
from release import sums
from release.again import built_again
from release.building import Plan, appearing_whole
from release.building import build as build_into
from release.checkout import Checkout, stale_files
from release.comparing import compare

DIST = ROOT / "dist"
FOLDER = click.Path(path_type=Path, file_okay=False)


def say(line: str) -> None:
    """Say what happens, beside the output of builders."""
    click.echo(line, err=True)


@click.group(cls=Group, context_settings={"max_content_width": 100})
def main() -> None:
    """Build a release of the commit that is checked out, and compare two builds."""


@main.command()
@click.option("--into", default=DIST, type=FOLDER, help="Where it appears when it is complete.")
@click.option("--images/--no-images", envvar="IMAGES", default=True, help="Build the images.")
@click.option("--registry", envvar="IMAGE_REGISTRY", default="", help="Where the images are.")
@click.option("--push", envvar="PUSH", is_flag=True, help="Push them there, and name digests.")
@click.option("--base", envvar="BASE", default="", help="As of `make images`.")
@click.option("--builder", envvar="BUILDER", default="", type=click.Choice(["", *ON_PATH]))
@click.option("--gpu", envvar="GPU", is_flag=True, help="The engine for GPUs besides.")
@click.option("--like", type=FOLDER, help="With parts and names of the release there.")
@click.option(
    "--rehearsal",
    envvar="REHEARSAL",
    is_flag=True,
    help="Build although this is no release: what is missing for one is said.",
)
def build(  # noqa: PLR0913, PLR0917 - one for each option
    into: Path,
    images: bool,
    registry: str,
    push: bool,
    base: str,
    builder: str,
    gpu: bool,
    like: Path | None,
    rehearsal: bool,
) -> None:
    """Build wheel, source distribution, images, chart, manifests, bills of materials and sums.

    Nothing is built of a commit that is no release: one with changes beside it, without its
    section in the changelog, or with generated files that are not current.
    """
    checkout = Checkout(ROOT)
    if like is None:
        _hold_back(checkout, rehearsal=rehearsal)
    _refuse_foreign(into)
    if push and (rehearsal or not images):
        raise SetupError("PUSH=1 pushes the images of a release: not with REHEARSAL=1 or IMAGES=0")
    options = Options(registry.rstrip("/"), push, base, builder)
    plan = Plan.like(like, options) if like else Plan(options, images, gpu)
    with appearing_whole(into) as folder:
        build_into(plan, checkout, folder, say)
    for path in sorted(into.iterdir()):
        click.echo(path)


def _hold_back(checkout: Checkout, *, rehearsal: bool) -> None:
    say("release: is this commit one?")
    problems = [*checkout.problems(), *stale_files()]
    if problems and not rehearsal:
        listed = "".join(f"\n- {problem}." for problem in problems)
        raise SetupError(f"no release can be made of this commit:{listed}\nTo try: REHEARSAL=1")
    for problem in problems:
        say(f"rehearsal: not a release: {problem}.")


def _refuse_foreign(into: Path) -> None:
    """A release takes the place of what `make` wrote, and of nothing else."""
    if into == DIST or not into.exists() or not any(into.iterdir()):
        return
    if not (into / sums.FILE).exists():
        raise SetupError(f"{into} holds something else than a release. Remedy: an empty folder")


@main.command()
@click.argument("release", default=DIST, type=FOLDER)
def check(release: Path) -> None:
    """Hold a release against its sums, then build it a second time, elsewhere, and compare."""
    broken = list(sums.problems(release))
    if broken:
        listed = "".join(f"\n- {problem}" for problem in broken)
        raise SetupError(f"{release} is not as it was built:{listed}\nRemedy: make release")
    say(f"release: {release} is what its {sums.FILE} says; it is built a second time")
    checkout = Checkout(ROOT)
    for problem in checkout.changes():
        say(f"release: the second build is of the commit alone. {problem}.")
    with built_again(checkout, release.resolve()) as again:
        compared = list(compare(release, again))
    for name, difference in compared:
        click.echo(f"{name}: {difference or 'the same'}")
    if any(difference for _, difference in compared):
        sys.exit(1)
