"""`python -m demo`."""

import shutil
import sys
import tempfile
from pathlib import Path

import click

from demo.in_cluster import InCluster
from demo.local_processes import LocalProcesses
from demo.play import Play
from demo.runner import tell
from demo.screen import Screen
from demo.stage import Stage
from demo.story import SETUP, STORY
from localcluster import preflight
from localcluster.paths import cache_dir, state_dir
from localcluster.teardown import supervisors

UP_NAME = "default"


@click.command()
@click.option(
    "--up",
    is_flag=True,
    help="Stop after the first steps, leave the cluster standing, and say what to type next.",
)
@click.option(
    "--no-node",
    is_flag=True,
    help="Do without a node, and so without root: operator and engine run as local processes.",
)
def main(up: bool, no_node: bool) -> None:
    r"""Tell Quiver's story on a Kubernetes of its own, each step as the command you would type.

    Each step checks its own outcome. The exit status is 0 only if each did what it should.

    \b
    Lines that begin with $ are commands, # are remarks, all others are what the commands say.
    """
    screen = Screen()
    _announce(screen)
    if up and supervisors(state_dir(UP_NAME)):
        raise click.ClickException("a cluster is up already; `make down` takes it away")
    directory = state_dir(UP_NAME) if up else Path(tempfile.mkdtemp(prefix="quiver-demo-"))
    play = Play(_choose_stage(directory, screen, no_node), screen)
    succeeded = False
    try:
        succeeded = tell(play, SETUP if up else STORY)
        if succeeded and up:
            play.stage.leave()
    finally:
        if not (succeeded and up):
            play.stage.stop()
    if not succeeded:
        screen.note(f"all logs are kept in {directory}")
        sys.exit(1)
    if not up:
        shutil.rmtree(directory)


def _announce(screen: Screen) -> None:
    screen.note("This starts a Kubernetes of its own, in namespaces of its own, and ends it again.")
    screen.note(
        f"Programs and images that it builds stay in {cache_dir().parent}; nothing else does."
    )
    screen.note("The first time, building takes about ten minutes; the rest takes about one.")


def _choose_stage(directory: Path, screen: Screen, no_node: bool) -> Stage:
    problems = [] if no_node else preflight.node_problems()
    if not no_node and not problems:
        return InCluster(directory, screen)
    for what, remedy in problems:
        screen.note(f"no node on this machine: {what} ({remedy})")
    screen.note(f"Without a node this leaves out {LocalProcesses.leaves_out}.")
    return LocalProcesses(directory, screen)


if __name__ == "__main__":
    main()
