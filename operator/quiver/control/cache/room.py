"""Which of the objects that wait for room on an engine may find some."""

from collections import Counter
from collections.abc import Iterable, Iterator

from quiver.domain.claims import claim_of, reserved_partitions_of
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Key, Manifest
from quiver.domain.manifests import collection_name_of
from quiver.domain.members import names_of_members
from quiver.domain.placement import Load


class Room:
    """The room that is left on an engine. It shrinks with what is given out.

    This says who is worth a reconcile, and decides nothing: it knows no member's state.
    """

    def __init__(self, engine: VectorEngine, load: Load) -> None:
        self._share = engine.spec.limits.max_per_namespace
        self._limit = engine.spec.member_limit
        self._home = engine.metadata.namespace
        self._load = load.members
        self._free = {name: self._left_on(name) for name in names_of_members(engine)}
        self._used = Counter(load.namespaces)
        self._retained = Counter[tuple[str, str]]()
        for place, owner in engine.status.retained.items():
            namespace, _, size = owner.partition("/")
            self._used[namespace] += int(size or 1)
            self._retained[namespace, place.partition("/")[2]] += int(size or 1)

    def fitting(self, waiting: Iterable[Manifest]) -> Iterator[Key]:
        """Yield those that fit, in their order, and give the room to them."""
        for manifest in waiting:
            member, size = self._wish(manifest)
            namespace = manifest["metadata"]["namespace"]
            if self._free.get(member, 0) >= size and self._has_share(manifest, size):
                self._free[member] -= size
                self._used[namespace] += size
                yield Key.of(manifest)

    def _wish(self, manifest: Manifest) -> tuple[str, int]:
        """Return the member that would be used, and how much is asked for."""
        claim, wanted = claim_of(manifest), manifest["spec"].get("partitions", ())
        if claim is None:
            return max(self._free, key=self._free.__getitem__, default=""), 1 + len(wanted)
        self._free.setdefault(claim.member, self._left_on(claim.member))
        status = manifest.get("status", {})
        there = {*status.get("partitions", ()), *status.get("retainedPartitions", ())}
        return claim.member, len(set(wanted) - there) - reserved_partitions_of(manifest)

    def _has_share(self, manifest: Manifest, size: int) -> bool:
        namespace, share = manifest["metadata"]["namespace"], self._share
        if share is None or namespace == self._home:
            return True
        again = self._retained[namespace, collection_name_of(manifest)]
        return self._used[namespace] - again + size <= share

    def _left_on(self, member: str) -> int:
        return self._limit - self._load.get(member, 0)
