"""Builds an operator with its adapters, for the cluster that the environment names."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from quiver.adapters.clock import SystemClock
from quiver.adapters.drivers import Drivers
from quiver.adapters.interceptors import LeadershipInterceptor
from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.adapters.kubernetes.connection import Connection, load_configuration
from quiver.adapters.kubernetes.pod import own_identity, own_namespace, own_service_account
from quiver.adapters.names import DnsNames
from quiver.adapters.pem import OpenSslPem
from quiver.app import Operator
from quiver.control.leader.election import Election, Terms
from quiver.control.leader.leadership import Leadership
from quiver.control.observe.metrics import Metrics
from quiver.control.work.interception import InterceptedEngines
from quiver.outside import Outside
from quiver.settings import Settings


@asynccontextmanager
async def real_operator(
    settings: Settings, on_loss: Callable[[str], object]
) -> AsyncIterator[Callable[[], Coroutine[Any, Any, None]]]:
    """Build an operator for the cluster that the environment names. Yields the coroutine function
    that runs it.

    `on_loss` is called with the reason when this process loses the lease. It should end the
    process.
    Raises: NoCluster.
    """
    metrics, clock = Metrics(), SystemClock()
    leadership = Leadership(on_loss)
    writing = leadership.writing if settings.leader_elect else None
    connection = Connection(await load_configuration(), metrics, writing)
    drivers, names = Drivers(), DnsNames()
    engines = InterceptedEngines(drivers, LeadershipInterceptor(writing)) if writing else drivers
    rights = replace(settings.rights, service_account=own_service_account())
    settings = replace(settings, namespace=own_namespace(), rights=rights)
    try:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(KubernetesClient(connection))
            outside = Outside(
                api=client,
                engines=engines,
                names=names,
                pem=OpenSslPem(),
                clock=clock,
            )
            operator = Operator(outside, settings, metrics)
            if not settings.leader_elect:
                yield operator.run
                return
            elector = Connection(await load_configuration(), metrics)
            lease_client = KubernetesClient(elector, deadline=Terms.renew / 2)
            api = await stack.enter_async_context(lease_client)
            election = Election(api, settings.namespace, own_identity(), leadership, clock)
            yield partial(operator.run, partial(election.term, metrics=metrics))
    finally:
        await drivers.close()
        await names.close()
