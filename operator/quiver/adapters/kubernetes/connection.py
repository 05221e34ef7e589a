"""Where the API server is and how to log in, for our own calls and for kopf's watches."""

import os
import ssl
from collections.abc import Callable, Mapping
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
from quiver.adapters.kubernetes.tracing import count_requests, guard_writes, on_lists
from quiver.adapters.kubernetes.watch_filter import WatchFilter, filtered_by
from quiver.control.observe.metrics import Metrics

USER_AGENT = f"quiver-operator/{__version__}"
CONNECTIONS = 32
"""Enough for eight workers and their events; more only make the API server busy."""
WATCH_CONNECTIONS = 16
WATCH_BUFFER = 2**21
"""Bytes; a watch event can be longer than aiohttp's default buffer."""


class NoCluster(Exception):
    """Nothing says where the cluster is, or what says so cannot be read."""


async def load_configuration(environment: Mapping[str, str] = os.environ) -> Configuration:
    """Read the kubeconfig that KUBECONFIG names, else the service account of the pod we run in.

    ~/.kube/config is not looked at: an operator must not run against a cluster by accident.
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
    """One cluster, as one configuration describes it."""

    def __init__(
        self,
        configuration: Configuration,
        metrics: Metrics,
        writing: Callable[[], AbstractContextManager[None]] | None = None,
    ) -> None:
        """Each write is sent within a context that `writing` makes; it raises to forbid it."""
        self.configuration = configuration
        self._requests = metrics.api_requests
        self._checks = [guard_writes(writing)] if writing else []
        self._counters: dict[tuple[str, str], Counter] = {}

    @property
    def server(self) -> str:
        host: str = self.configuration.host
        return host

    def count(self, method: str, code: int | None) -> None:
        """Count a request that was answered with an HTTP status, or not at all (None)."""
        labels = ("<error>" if code is None else str(code), method)
        counter = self._counters.get(labels)
        if counter is None:
            host = urlsplit(self.server).netloc
            counter = self._counters[labels] = self._requests.labels(labels[0], host, method)
        counter.inc()

    async def authorization(self) -> dict[str, str]:
        """Return the header that logs in, if a header does.

        Asked for each request: tokens in files rotate, and logins by command expire.
        Raises: aiohttp.ClientConnectionError, as for any other way in which the server is out of
        reach.
        """
        try:
            settings = await self.configuration.auth_settings()
        except (ConfigException, OSError) as error:
            raise aiohttp.ClientConnectionError(f"cannot log in: {error}") from error
        value = settings.get("BearerToken", {}).get("value")
        return {"Authorization": value} if value else {}

    def watch_session(
        self, on_list: Callable[[], None], watch_filter: WatchFilter | None = None
    ) -> aiohttp.ClientSession:
        """Open a session for kopf; `on_list` is called when it lists objects, as it does when a
        watch begins anew. Lines that `watch_filter` takes out do not reach kopf.
        """

        async def log_in(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            request.headers.update(await self.authorization())
            return await handler(request)

        return self._session(
            WATCH_CONNECTIONS,
            headers={"User-Agent": USER_AGENT},
            middlewares=[log_in] if watch_filter is None else [filtered_by(watch_filter), log_in],
            read_bufsize=WATCH_BUFFER,
            trace_configs=[count_requests(self._requests), on_lists(on_list), *self._checks],
        )

    def session(self) -> aiohttp.ClientSession:
        """Open a session for calls of our own, which log in and are counted by themselves."""
        return self._session(CONNECTIONS, trace_configs=self._checks)

    def _session(self, connections: int, **options: Any) -> aiohttp.ClientSession:
        # Not aiohttp's trust_env: it reads environment and ~/.netrc in threads, at each request.
        return aiohttp.ClientSession(
            # The system's resolver, as kubectl has it; aiohttp would take that of the engines.
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
