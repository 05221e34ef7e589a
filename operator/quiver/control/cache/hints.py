"""Tells which engines may answer again, and which are gone, by what has changed about them."""

from collections.abc import Callable, Collection, Iterable
from ipaddress import ip_address

from quiver.control.cache.cache import Change
from quiver.domain.addresses import dialled
from quiver.domain.conditions import ready_status
from quiver.domain.kubernetes_types import POD, VECTOR_ENGINE, Kind, Manifest
from quiver.domain.members import GRPC_PORT

_KINDS = (POD, VECTOR_ENGINE)


class Hints:
    """Listens to a cache. An engine that does not answer is looked at less and less, but at once
    when its pod becomes ready or its VectorEngine has another spec. It is not looked at any more
    when its pod is gone, or its VectorEngine no longer names it, and nothing else does.
    """

    def __init__(
        self,
        objects: Callable[[Kind], Iterable[Manifest]],
        look_again: Callable[[Collection[str]], None],
        forget: Callable[[Collection[str]], None],
    ) -> None:
        """`objects` returns those of a kind. The others are called with names of targets."""
        self._objects = objects
        self._look_again = look_again
        self._forget = forget

    def __call__(self, change: Change) -> None:
        if change.old is None or change.kind not in _KINDS:
            return
        if gone := _names(change.kind, change.old) - _names(change.kind, change.new):
            self._forget(gone - self._named(gone))
        if change.new is None:
            return
        if change.kind == POD and _has_become_ready(change.old, change.new):
            self._look_again(_address_of(change.new))
        elif change.kind == VECTOR_ENGINE and _generation(change.old) != _generation(change.new):
            self._look_again(_endpoints_of(change.new))

    def _named(self, names: frozenset[str]) -> frozenset[str]:
        """Return the names that some object has. A tenant may name an endpoint of somebody else."""
        each = (names & _names(kind, m) for kind in _KINDS for m in self._objects(kind))
        return frozenset().union(*each)


def _names(kind: Kind, manifest: Manifest | None) -> frozenset[str]:
    if manifest is None:
        return frozenset()
    return _address_of(manifest) if kind == POD else _endpoints_of(manifest)


def _has_become_ready(old: Manifest, new: Manifest) -> bool:
    return ready_status(new) == "True" != ready_status(old)


def _address_of(pod: Manifest) -> frozenset[str]:
    address = pod.get("status", {}).get("podIP")
    return frozenset({dialled(ip_address(address), GRPC_PORT)} if address else ())


def _endpoints_of(engine: Manifest) -> frozenset[str]:
    external = engine.get("spec", {}).get("external", {})
    return frozenset(external.get("endpoints", ()))


def _generation(manifest: Manifest) -> object:
    return manifest["metadata"].get("generation")
