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
from localcluster.paths import state_dir
from localcluster.teardown import supervisors
from machine.paths import cache_dir

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
    """Tell Quiver's story on a Kubernetes of its own, each step as the command you would type.

    Each step checks its own outcome. The exit status is 0 only if each did what it should.

    Lines that begin with $ are commands, those with # are remarks. All others are what the
    commands say.
    """
    screen = Screen()
    _announce(screen)
    with_node = not no_node and _node_can_run(screen)
    if not with_node:
        screen.note(f"Without a node this leaves out {LocalProcesses.leaves_out}.")
    if up and with_node:
        _leave_standing(screen)
    else:
        _tell_and_clear_up(screen, with_node, up)


def _leave_standing(screen: Screen) -> None:
    directory = state_dir(UP_NAME)
    if supervisors(directory):
        raise click.ClickException("a cluster is up already; `make down` takes it away")
    stage = InCluster(directory, screen)
    succeeded = False
    try:
        succeeded = tell(Play(stage, screen), SETUP)
    finally:
        if not succeeded:
            stage.stop()
    _exit_unless(succeeded, screen, directory)
    stage.leave()


def _tell_and_clear_up(screen: Screen, with_node: bool, up: bool) -> None:
    directory = Path(tempfile.mkdtemp(prefix="quiver-demo-"))
    stage: Stage = (InCluster if with_node else LocalProcesses)(directory, screen)
    succeeded = True
    try:
        succeeded = tell(Play(stage, screen), SETUP if up else STORY)
        if succeeded and up:
            stage.leave()
    finally:
        stage.stop()
        if succeeded:  # or was interrupted
            shutil.rmtree(directory)
    _exit_unless(succeeded, screen, directory)


def _exit_unless(succeeded: bool, screen: Screen, directory: Path) -> None:
    if not succeeded:
        screen.note(f"all logs are kept in {directory}")
        sys.exit(1)


def _announce(screen: Screen) -> None:
    screen.note("This starts a Kubernetes of its own, in namespaces of its own, and ends it again.")
    screen.note(
        f"Programs and images that it builds stay in {cache_dir().parent}; nothing else does."
    )
    screen.note("The first time, building takes about ten minutes; the rest takes about one.")


def _node_can_run(screen: Screen) -> bool:
    problems = preflight.node_problems()
    for what, remedy in problems:
        screen.note(f"no node on this machine: {what} ({remedy})")
    return not problems


if __name__ == "__main__":
    main()
