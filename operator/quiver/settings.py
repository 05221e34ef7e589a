"""The operator's options."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from quiver import __version__
from quiver.domain.addresses import AddressPolicy
from quiver.domain.rights import Rights


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The operator's options.

    Periods are in seconds. `http` is the address that serves probes and metrics; None serves none.
    `workers` reconcile collections. With `leader_elect` only the leader of several processes works.
    `namespace` is the operator's own, and `pod_labels` are labels that each of its pods has there.
    `rights` has the namespaces that it watches. `take_over` is the namespace of an operator that is
    gone, whose objects this one is to manage. `addresses` decides which external endpoints the
    operator dials.
    """

    engine_image: str = f"localhost/quiver-engine:{__version__}"
    resync_period: float = 60.0
    verify_period: float = 600.0
    workers: int = 48
    workers_per_namespace: int = 16
    workers_per_engine: int = 8
    leader_elect: bool = False
    http: tuple[str, int] | None = None
    namespace: str = "quiver-system"
    pod_labels: Mapping[str, str] = field(default_factory=dict)
    rights: Rights = field(default_factory=Rights)
    take_over: str | None = None
    addresses: AddressPolicy = field(default_factory=AddressPolicy)
