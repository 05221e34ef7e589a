"""The cluster that a command asks, with the rights of whoever runs it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from quiver.adapters.drivers import Drivers
from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.adapters.kubernetes.connection import Connection, NoCluster
from quiver.adapters.kubernetes.kubeconfig import load_context
from quiver.adapters.kubernetes.port_forward import PortForwards
from quiver.commands.engines import ReachableEngines
from quiver.control.observe.metrics import Metrics
from quiver.option_types import NamespaceName
from quiver.ports.errors import ApiError

Answer = TypeVar("Answer")
ALL = ""
"""Stands for all namespaces."""


@dataclass(frozen=True)
class Where:
    """Which cluster, and where in it. `namespace` is None for that of the context."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    all_namespaces: bool = False


@dataclass(frozen=True)
class Cluster:
    """A cluster, and the engines in it. `namespace` is empty for all."""

    api: KubernetesClient
    engines: ReachableEngines
    namespace: str


def cluster_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of kubectl that say which cluster is meant, as one `where`."""

    def called(**options: Any) -> None:
        names = ("kubeconfig", "context", "namespace", "all_namespaces")
        where = Where(**{name: options.pop(name) for name in names})
        command(where=where, **options)

    called.__doc__, called.__name__ = command.__doc__, command.__name__
    called.__dict__.update(command.__dict__)
    for option in (
        click.option("--all-namespaces", "-A", is_flag=True, help="Look at all namespaces."),
        click.option(
            "--namespace", "-n", type=NamespaceName(), help="Instead of the context's namespace."
        ),
        click.option("--context", help="A context of the kubeconfig file."),
        click.option("--kubeconfig", type=click.Path(), help="Path of a kubeconfig file."),
    ):
        called = option(called)
    return called


@asynccontextmanager
async def connected(where: Where) -> AsyncIterator[Cluster]:
    """Connect to the cluster. Raises: NoCluster."""
    context = await load_context(where.kubeconfig, where.context)
    connection, drivers = Connection(context.configuration, Metrics()), Drivers()
    namespace = ALL if where.all_namespaces else where.namespace or context.namespace
    async with KubernetesClient(connection) as api, PortForwards(connection) as forwards:
        try:
            yield Cluster(api, ReachableEngines(drivers, forwards), namespace)
        finally:
            await drivers.close()


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Return what the work returns. Raises: ClickException, in a line, for a cluster that is not
    there or does not let the caller in.
    """
    try:
        return asyncio.run(work)
    except NoCluster as error:
        raise click.ClickException(f"no Kubernetes cluster: {error}") from error
    except ApiError as error:
        raise click.ClickException(f"the API server did not answer: {error}") from error
