"""The address of the API server and the login, for the operator's calls and for kopf's watches."""

import os
import ssl
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config
from prometheus_client import Counter

from quiver import __version__
from quiver.adapters.kubernetes.pages import PageLimits, Take, paged
from quiver.adapters.kubernetes.tracing import count_requests, guard_writes, on_lists
from quiver.adapters.kubernetes.watch_filter import WatchFilter, filtered_by
from quiver.control.observe.metrics import Metrics
from quiver.domain.kubernetes_types import Manifest

USER_AGENT = f"quiver-operator/{__version__}"
CONNECTIONS = 32
"""Requests at the same time. Most workers wait for engines; more would only load the API server."""
NO_LIMIT = 0
"""For watches: each holds a connection, one for each kind and namespace that is watched. With fewer
some of them would never begin.
"""
WATCH_BUFFER = 2**21
"""Bytes; a watch event can be longer than aiohttp's default buffer. An even longer one is read in
several parts.
"""


def nothing_dropped(_path: str, _line: bytes) -> bool:
    return False


def nothing_taken(_path: str, _objects: Iterable[Manifest]) -> bool:
    return False


class NoCluster(Exception):
    """The environment names no cluster, or its configuration cannot be read."""


async def load_configuration(environment: Mapping[str, str] = os.environ) -> Configuration:
    """Read the kubeconfig that KUBECONFIG names, else the service account of the operator's pod.

    ~/.kube/config is not read: an operator must not run against a cluster by accident.
    Raises: NoCluster.
    """
    configuration = Configuration()
    configuration.connection_pool_maxsize = CONNECTIONS
    kubeconfig = environment.get("KUBECONFIG")
    try:
        if kubeconfig:
            await load_kube_config(config_file=kubeconfig, client_configuration=configuration)
        elif "KUBERNETES_SERVICE_HOST" in environment:
            load_incluster_config(client_configuration=configuration)
        else:
            raise NoCluster("set KUBECONFIG to the path of a kubeconfig file, or run inside a pod")
    except (ConfigException, OSError) as error:
        raise NoCluster(f"{kubeconfig or 'service account'}: {error}") from error
    return configuration


class Connection:
    """Opens sessions to the cluster that one configuration describes."""

    def __init__(
        self,
        configuration: Configuration,
        metrics: Metrics,
        writing: Callable[[], AbstractContextManager[None]] | None = None,
    ) -> None:
        """`writing` makes the context in which each write is sent. It raises to forbid it."""
        self.configuration = configuration
        self._requests = metrics.api_requests
        self._checks = [guard_writes(writing)] if writing else []
        self._counters: dict[tuple[str, str], Counter] = {}

    @property
    def server(self) -> str:
        host: str = self.configuration.host
        return host

    def count(self, method: str, code: int | None) -> None:
        """Count a request by the HTTP status of its answer; None if there was no answer."""
        labels = ("<error>" if code is None else str(code), method)
        counter = self._counters.get(labels)
        if counter is None:
            host = urlsplit(self.server).netloc
            counter = self._counters[labels] = self._requests.labels(labels[0], host, method)
        counter.inc()

    async def authorization(self) -> dict[str, str]:
        """Return the Authorization header, if the login uses one.

        Each request asks for it: tokens in files rotate, and logins by command expire.
        Raises: aiohttp.ClientConnectionError, as if the server could not be reached.
        """
        try:
            settings = await self.configuration.auth_settings()
        except (ConfigException, OSError) as error:
            raise aiohttp.ClientConnectionError(f"cannot log in: {error}") from error
        value = settings.get("BearerToken", {}).get("value")
        return {"Authorization": value} if value else {}

    def watch_session(
        self,
        on_list: Callable[[], None],
        watch_filter: WatchFilter = nothing_dropped,
        take: Take = nothing_taken,
    ) -> aiohttp.ClientSession:
        """Open a session for kopf. `on_list` is called when kopf lists objects, as it does when a
        watch restarts. Lines of watches that `watch_filter` drops, and objects of lists that are
        taken by `take`, do not reach kopf.
        """

        async def log_in(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            request.headers.update(await self.authorization())
            return await handler(request)

        return self._session(
            NO_LIMIT,
            headers={"User-Agent": USER_AGENT},
            middlewares=[paged(PageLimits(), take), filtered_by(watch_filter), log_in],
            read_bufsize=WATCH_BUFFER,
            trace_configs=[count_requests(self._requests), on_lists(on_list), *self._checks],
        )

    def session(self) -> aiohttp.ClientSession:
        """Open a session for the operator's own calls. The client logs in and counts them."""
        return self._session(CONNECTIONS, trace_configs=self._checks)

    def _session(self, connections: int, **options: Any) -> aiohttp.ClientSession:
        # Without trust_env: aiohttp would read environment and ~/.netrc in threads, each request.
        return aiohttp.ClientSession(
            # The system's resolver, as kubectl uses it. aiohttp would use aiodns, since that is
            # installed for the names of engines.
            connector=aiohttp.TCPConnector(
                limit=connections, ssl=self._tls(), resolver=aiohttp.ThreadedResolver()
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=self.configuration.proxy or proxy_for(self.server),
            **options,
        )

    def _tls(self) -> ssl.SSLContext:
        configuration: Any = self.configuration
        context = ssl.create_default_context(
            cafile=configuration.ssl_ca_cert, cadata=configuration.ca_cert_data
        )
        if configuration.cert_file:
            context.load_cert_chain(Path(configuration.cert_file), configuration.key_file)
        if configuration.disable_strict_ssl_verification:
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not configuration.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def proxy_for(server: str) -> str | None:
    """Return the proxy that the environment names for the server, as kubectl would use it."""
    parts = urlsplit(server)
    if parts.hostname is None or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)
