"""`python -m demo`."""

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from demo import jobs
from demo.borrowed import Borrowed
from demo.in_cluster import InCluster
from demo.local_processes import LocalProcesses
from demo.milvus_stage import BesideMilvus
from demo.run import Run
from demo.screen import Screen
from demo.story import MILVUS_STORY, SETUP, STORY
from localcluster import catalogue, preflight
from localcluster.paths import state_dir
from localcluster.teardown import supervisors
from machine.errors import SetupError
from machine.paths import cache_dir

UP_NAME = "default"
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
@click.option(
    "--milvus",
    is_flag=True,
    help="Tell another story: collections on a Milvus 2.3.5 that runs already. Without root.",
)
@click.option(
    "--kubeconfig",
    help="Tell the story in the cluster of this file's current context, and take away again "
    "what it made there, and nothing else.",
)
@click.option(
    "--image-registry",
    default="localhost",
    show_default=True,
    help="With --kubeconfig: where its nodes pull the images quiver-operator and quiver-engine "
    "from. Those of localhost/ have to be on the nodes already.",
)
def main(
    up: bool, no_node: bool, milvus: bool, kubeconfig: str | None, image_registry: str
) -> None:
    """Tell Quiver's story on a Kubernetes of its own, each step as the command you would type.

    Each step checks its own outcome. The exit status is 0 only if each did what it should.

    Lines that begin with $ are commands, those with # are remarks. All others are what the
    commands say.
    """
    screen = Screen()
    for number in INTERRUPTS:
        signal.signal(number, lambda *_: screen.interrupt())
    try:
        if kubeconfig is not None:
            if up or no_node or milvus:
                raise click.UsageError(
                    "--kubeconfig goes with neither --up nor --no-node nor --milvus"
                )
            _in_their_cluster(screen, kubeconfig, image_registry)
        elif milvus:
            if up or no_node:
                raise click.UsageError("--milvus goes with neither --up nor --no-node")
            _beside_milvus(screen)
        else:
            _in_a_cluster_of_its_own(screen, up=up, no_node=no_node)
    except SetupError as error:
        screen.failure(f"Error: {error}")
        sys.exit(1)


def _in_their_cluster(screen: Screen, kubeconfig: str, registry: str) -> None:
    screen.note(f"In your cluster this leaves out {Borrowed.leaves_out}.")
    with _own_directory() as directory:
        stage = Borrowed(directory, screen, kubeconfig, registry)
        _perform(Run(screen, directory, jobs.IN_ANOTHERS_CLUSTER, stage, STORY))


def _beside_milvus(screen: Screen) -> None:
    screen.note("This starts an API server and a Milvus of its own, and ends them again.")
    with _own_directory() as directory:
        stage = BesideMilvus(directory, screen)
        _perform(Run(screen, directory, jobs.WITH_MILVUS, stage, MILVUS_STORY))


def _in_a_cluster_of_its_own(screen: Screen, *, up: bool, no_node: bool) -> None:
    screen.note("This starts a Kubernetes of its own, in namespaces of its own, and ends it again.")
    screen.note(f"Programs and images that it builds stay in {cache_dir().parent}.")
    with_node = not no_node and _node_can_run(screen)
    if not with_node:
        screen.note(f"Without a node this leaves out {LocalProcesses.leaves_out}.")
    if up and with_node:
        _leave_standing(screen)
        return
    with _own_directory() as directory:
        if with_node:
            stage = InCluster(directory, screen)
            _perform(Run(screen, directory, jobs.WITH_NODE, stage, STORY, with_first_look=True))
            return
        first = catalogue.CONTROL_PLANE if up else jobs.FIRST
        processes = LocalProcesses(directory, screen, controllers=up)
        story, needed = SETUP if up else STORY, (*first, jobs.CLIENT)
        _perform(Run(screen, directory, needed, processes, story, first), leave=up)


def _leave_standing(screen: Screen) -> None:
    directory = state_dir(UP_NAME)
    if supervisors(directory):
        raise click.ClickException("a cluster is up already; `make down` takes it away")
    with _own_directory() as work:
        stage = InCluster(directory, screen)
        run = Run(screen, work, jobs.WITH_NODE, stage, SETUP, with_first_look=True)
        succeeded = False
        try:
            succeeded = run.perform()
        finally:
            if not succeeded:
                stage.stop()
        _exit_unless(succeeded, run, directory)
        stage.leave()


def _perform(run: Run, *, leave: bool = False) -> None:
    try:
        succeeded = run.perform()
        if succeeded and leave:
            run.stage.leave()
    finally:
        with _uninterrupted(run.screen):
            run.stage.stop()
    _exit_unless(succeeded, run, run.directory)


@contextmanager
def _own_directory() -> Iterator[Path]:
    """A new folder. It stays, for its logs, when the demo fails, but not when it is interrupted."""
    directory = Path(tempfile.mkdtemp(prefix="quiver-demo-"))
    keep = False
    try:
        yield directory
    except (SetupError, SystemExit):
        keep = True
        raise
    finally:
        if not keep:
            shutil.rmtree(directory)


@contextmanager
def _uninterrupted(screen: Screen) -> Iterator[None]:
    """Have a second Ctrl-C wait until all is cleared away."""

    def refuse(*_: object) -> None:
        screen.note("clearing away what the demo made; this ends by itself")

    screen.end()
    before = {number: signal.signal(number, refuse) for number in INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit_unless(succeeded: bool, run: Run, directory: Path) -> None:
    if not succeeded:
        run.screen.note(f"all logs are kept in {directory}")
        sys.exit(1)
    took_s = time.monotonic() - run.began
    run.screen.title(f"Each step did what it should, in {took_s:.0f} s.")


def _node_can_run(screen: Screen) -> bool:
    problems = preflight.node_problems()
    for what, remedy in problems:
        screen.note(f"no node on this machine: {what} ({remedy})")
    return not problems


if __name__ == "__main__":
    main()
