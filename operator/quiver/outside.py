"""The adapters that an operator works with."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from quiver.domain.kubernetes_types import Manifest
from quiver.ports.api import Api
from quiver.ports.clock import Clock
from quiver.ports.engines import Engines
from quiver.ports.names import Names
from quiver.ports.pem import Pem


class ClusterApi(Api, Protocol):
    """The API client as the operator needs it: calls, and sessions for kopf's watches."""

    @property
    def server(self) -> str: ...

    def watch_session(
        self,
        on_list: Callable[[], None],
        watch_filter: Callable[[str, bytes], bool],
        take: Callable[[str, Iterable[Manifest]], bool],
    ) -> aiohttp.ClientSession: ...


@dataclass(frozen=True, kw_only=True)
class Outside:
    """The operator's adapters: a cluster, engines, DNS, OpenSSL, a clock."""

    api: ClusterApi
    engines: Engines
    names: Names
    pem: Pem
    clock: Clock
