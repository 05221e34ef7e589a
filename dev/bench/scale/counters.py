"""Counters of the API server and of the operator, and how they grow."""

from bench.processes import Operator, samples_in
from localcluster import ControlPlane

WRITES = ("PATCH", "PUT", "APPLY")
LISTS = "list_collections"


class Counters:
    """What API server and operator have counted so far."""

    def __init__(self, api: dict[str, float], operator: dict[str, float]) -> None:
        self._api = api
        self._operator = operator

    @property
    def object_writes(self) -> float:
        return sum(self._requests("vectorcollections", verb) for verb in WRITES)

    @property
    def events(self) -> float:
        return sum(self._requests("events", verb) for verb in ("POST", *WRITES))

    @property
    def operator_requests(self) -> float:
        return sum(v for k, v in self._operator.items() if k.startswith("rest_client_requests_t"))

    @property
    def engine_calls(self) -> dict[str, float]:
        calls: dict[str, float] = {}
        for name, value in self._operator.items():
            if name.startswith("quiver_operator_engine_calls_total{"):
                call = name.split('call="')[1].split('"')[0]
                calls[call] = calls.get(call, 0) + value
        return calls

    def _requests(self, resource: str, verb: str) -> float:
        return sum(
            value
            for name, value in self._api.items()
            if f'resource="{resource}"' in name and f'verb="{verb}"' in name
        )


def read_api(plane: ControlPlane) -> dict[str, float]:
    text = plane.kubectl("get", "--raw", "/metrics")
    name = "apiserver_request_total"
    return samples_in("\n".join(line for line in text.splitlines() if line.startswith(name)) + "\n")


async def read(plane: ControlPlane, operator: Operator | None = None) -> Counters:
    """Read the API server's and, of Quiver's operator, its own."""
    return Counters(read_api(plane), await operator.samples() if operator else {})


def reconciles(samples: dict[str, float]) -> float:
    """Return how many reconciles of collections have ended."""
    name = "controller_runtime_reconcile_total{"
    kind = 'controller="vectorcollection"'
    return sum(v for k, v in samples.items() if k.startswith(name) and kind in k)


def backlog(samples: dict[str, float]) -> float:
    """Return how many collections wait for a reconcile or are in one."""
    waiting = samples.get('workqueue_depth{name="vectorcollection"}', 0)
    active = samples.get('controller_runtime_active_workers{controller="vectorcollection"}', 0)
    return waiting + active
