"""The command line: `localcluster --help`."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from imagebuild.images import IMAGES
from imagebuild.packing import build_image
from localcluster import catalogue, preflight
from localcluster.binaries import Binaries
from localcluster.cluster import Cluster
from localcluster.controlplane import ControlPlane
from localcluster.errors import LocalClusterError
from localcluster.layout import Layout
from localcluster.paths import state_dir
from localcluster.runtime import import_archive
from localcluster.status import Status, read_status
from localcluster.teardown import supervisors, tear_down
from machine.cli import Group


@click.group(cls=Group, context_settings={"max_content_width": 100})
def main() -> None:
    """A Kubernetes of your own on this machine, up in seconds, gone without a trace.

    It is made of the real programs (etcd, kube-apiserver, kubelet, containerd ...), built once
    from pinned Go modules and kept in your cache folder. Without root you get a control plane:
    objects, admission, RBAC, controllers, but no pods that run. As root on Linux you get two
    nodes as well, one of them with pretend GPUs.

    Start with:  python -m localcluster up
    """


def _located(command: Callable[..., None]) -> Callable[..., None]:
    command = click.option(
        "--dir",
        "directory",
        type=click.Path(path_type=Path, file_okay=False),
        help="The cluster's folder, instead of one below your state folder.",
    )(command)
    return click.option("--name", default="default", show_default=True, help="Which cluster.")(
        command
    )


def _layout(name: str, directory: Path | None) -> Layout:
    return Layout((directory or state_dir(name)).resolve())


def _progress() -> Callable[[str], None]:
    started = time.monotonic()
    return lambda text: click.echo(f"{time.monotonic() - started:5.1f} s  {text}", err=True)


@main.command()
@click.option("--flux", is_flag=True, help="Flux' controllers as well, for `make gitops`.")
def build(*, flux: bool) -> None:
    """Find or build every program; say which was taken from where.

    A folder named by KUBEBUILDER_ASSETS comes first, then PATH, where versions fit. Building
    all takes 7 to 9 minutes on two cores, once. Interrupt it at will: what is finished stays.
    """
    names = [*catalogue.OF_CLUSTERS, *(catalogue.FLUX if flux else ())]
    for line in Binaries.ensure(_progress(), names).origins():
        click.echo(line)


@main.command()
@_located
@click.option("--node/--no-node", default=True, help="With nodes (root, Linux) or without.")
@click.option("--gpus", default=2, show_default=True, help="Pretend GPUs of the GPU node.")
@click.option("--gpu-memory", default=40960, show_default=True, help="Memory per GPU in MiB.")
@click.option("--audit", is_flag=True, help="Write down every API request, one per line.")
def up(
    name: str, directory: Path | None, *, node: bool, gpus: int, gpu_memory: int, audit: bool
) -> None:
    """Start a cluster and leave it standing; `python -m localcluster down` takes it away."""
    layout = _layout(name, directory)
    if supervisors(layout.directory):
        click.echo(f"It is up already. KUBECONFIG={layout.kubeconfig}", err=True)
        return
    progress = _progress()
    cluster: ControlPlane
    if node:
        cluster = Cluster(layout.directory, gpus, gpu_memory, audit, progress=progress)
    else:
        cluster = ControlPlane(layout.directory, audit, progress=progress)
    cluster.start()
    cluster.detach()
    progress(f"ready: {cluster.server}, logs in {layout.logs}")
    click.echo(f"export KUBECONFIG={layout.kubeconfig}")


@main.command()
@_located
def down(name: str, directory: Path | None) -> None:
    """Take a cluster away, with all that belongs to it; after a crash, too."""
    layout = _layout(name, directory)
    if not layout.is_ours() and not supervisors(layout.directory):
        click.echo(f"There is no cluster in {layout.directory}.", err=True)
        return
    tear_down(layout)
    shutil.rmtree(layout.directory, ignore_errors=True)
    click.echo(f"Gone: {layout.directory}", err=True)


@main.command()
@_located
def status(name: str, directory: Path | None) -> None:
    """Say what runs, since when, where it listens and where it logs.

    The exit status is 3 when the cluster does not run.
    """
    layout = _layout(name, directory)
    found = read_status(layout)
    if found is None or not found.is_up:
        click.echo(f"No cluster runs in {layout.directory}. Start one: python -m localcluster up")
        sys.exit(3)
    _show(layout, found)


def _show(layout: Layout, found: Status) -> None:
    kind = "control plane and nodes" if found.with_node else "control plane, no node"
    click.echo(f"up for {found.age()} ({kind})")
    click.echo(f"server      {found.server}")
    click.echo(f"kubeconfig  {layout.kubeconfig}")
    if layout.audit_log.exists():
        click.echo(f"audit log   {layout.audit_log}")
    click.echo("processes")
    for process in found.processes:
        click.echo(f"  {process.pid:>7}  {process.memory_mib:>4} MiB  {process.name}")
    click.echo("logs")
    for log in sorted(layout.logs.glob("*.log")):
        click.echo(f"  {log}")


@main.command()
@_located
@click.option("--content", is_flag=True, help="Print the file itself, not its path.")
def kubeconfig(name: str, directory: Path | None, *, content: bool) -> None:
    """Print the path of the administrator's kubeconfig."""
    path = _layout(name, directory).kubeconfig
    if not path.exists():
        raise LocalClusterError(f"there is no {path}. Start the cluster: python -m localcluster up")
    click.echo(path.read_text() if content else path, nl=not content)


@main.command("preflight")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def preflight_command(*, as_json: bool) -> None:
    """Say whether this machine can run a node, and if not, what to do.

    The exit status is 1 when it cannot.
    """
    problems = preflight.node_problems()
    if as_json:
        click.echo(json.dumps([{"what": what, "remedy": remedy} for what, remedy in problems]))
    elif problems:
        click.echo(
            "A node cannot run here. A control plane can: python -m localcluster up --no-node"
        )
        for what, remedy in problems:
            click.echo(f"- {what}\n  Remedy: {remedy}")
    else:
        click.echo("A node can run here.")
    sys.exit(1 if problems else 0)


@main.command()
@_located
@click.option("--load", is_flag=True, help="Import them into the running cluster as well.")
@click.argument("images", nargs=-1, type=click.Choice(sorted(IMAGES)))
def images(name: str, directory: Path | None, *, load: bool, images: tuple[str, ...]) -> None:
    """Build the images of operator and engine, as far as anything changed.

    They are made of this Python and the packages installed beside it: no daemon, no registry.
    """
    layout = _layout(name, directory)
    progress = _progress()
    for image in images or sorted(IMAGES):
        archive = build_image(image, progress)
        click.echo(f"{IMAGES[image].reference} {archive}")
        if load:
            ctr = Binaries.ensure(progress, catalogue.CONTAINER_RUNTIME).path("ctr")
            import_archive(layout, ctr, archive, layout.node_names())
