"""The command `quiver uninstall`, which the chart runs before it is uninstalled."""

import asyncio

import click

from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.adapters.kubernetes.connection import Connection, NoCluster, load_configuration
from quiver.control.departure import Departure
from quiver.control.observe.metrics import Metrics
from quiver.option_types import NamespaceName
from quiver.ports.errors import ApiError

_LEADS = (
    "an operator still leads, or puts back what is taken off. Name its Deployment with"
    " --deployment, or stop it, and run this again"
)


@click.command(short_help="Let the objects of a release go that is uninstalled.")
@click.option(
    "--release",
    type=NamespaceName(),
    required=True,
    help="Namespace of the release, where its operator runs or ran.",
)
@click.option("--deployment", help="The operator's Deployment there, to be scaled to 0 first.")
@click.option(
    "--namespace",
    "namespaces",
    type=NamespaceName(),
    multiple=True,
    help="Namespace that the operator watched. Repeat the option for several. Without it all are"
    " looked at.",
)
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=300, show_default=True, help="Seconds."
)
def uninstall(
    release: str, deployment: str | None, namespaces: tuple[str, ...], timeout: float
) -> None:
    """Take the finalizers off each VectorCollection and VectorEngine that the release manages.

    Without an operator nobody else would: the objects, and their namespaces, could not be deleted.
    Nothing is dropped. Collections stay on their engines with their vectors, and objects stay as
    they are. A release that is installed in the same namespace takes them up again.

    Inside a pod it uses the pod's service account; elsewhere the kubeconfig file that the
    environment variable KUBECONFIG names.
    """
    try:
        asyncio.run(_leave(timeout, release, deployment, namespaces))
    except NoCluster as error:
        raise click.ClickException(f"no Kubernetes cluster: {error}") from error
    except ApiError as error:
        raise click.ClickException(f"the API server did not do it: {error}") from error
    except TimeoutError as error:
        raise click.ClickException(f"not done within {timeout:g} s: {_LEADS}") from error


async def _leave(
    seconds: float, release: str, deployment: str | None, namespaces: tuple[str, ...]
) -> None:
    connection = Connection(await load_configuration(), Metrics())
    async with asyncio.timeout(seconds), KubernetesClient(connection) as api:
        departure = Departure(api, release, namespaces, click.echo)
        if deployment is not None:
            await departure.stop(deployment)
        await departure.wait_for_the_lease()
        released = await departure.release()
        engines = await departure.release_engines()
    click.echo(
        f"{released} VectorCollections and {engines} VectorEngines are released."
        " Nothing was dropped."
    )
