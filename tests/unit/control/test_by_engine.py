"""Which collections have nothing new about them."""

from quiver.control.cache.by_engine import is_converged
from quiver.domain.kubernetes_types import Manifest
from support.builders import collection


def standing(status: str, observed: int, **metadata: object) -> Manifest:
    manifest = collection(generation=2, **metadata)
    condition = {"type": "Ready", "status": status}
    return {**manifest, "status": {"observedGeneration": observed, "conditions": [condition]}}


def test_settled_is_what_is_ready_as_it_is_now_and_is_to_stay() -> None:
    """A new object, a changed one, one that is not Ready and one that is to go are not settled."""
    assert is_converged(standing("True", 2))
    assert not is_converged(standing("True", 1))
    assert not is_converged(standing("False", 2))
    assert not is_converged(standing("True", 2, deletionTimestamp="2026-01-01T00:00:00Z"))
    assert not is_converged(collection())
