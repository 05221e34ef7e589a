"""After the storm: wait until nothing is left to do, then hold everything against the ledger."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.domain.access import Target
from quiver.domain.indexes import Index
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Manifest
from quiver.ports.errors import ApiUnavailable
from storm.ledger import DEFAULT, Rows, Wish, collection_name
from storm.manifests import is_converged, ready_condition
from storm.testbed import FOREIGN_ROWS, Testbed, foreign_names

LOOK_S = 1.0
ALARMING = ("this is a bug", "Traceback", "was never retrieved")


async def objects(testbed: Testbed) -> dict[str, Manifest]:
    listing = await testbed.api.list(VECTOR_COLLECTION)
    return {manifest["metadata"]["name"]: manifest for manifest in listing.items}


async def settled(testbed: Testbed, deadline_s: float) -> list[str]:
    """Wait until every object is as it shall be; return what is not by then."""
    end = time.monotonic() + deadline_s
    while True:
        testbed.tend()
        try:
            unsettled = list(_unsettled(testbed, await objects(testbed)))
        except ApiUnavailable as error:
            unsettled = [str(error)]
        if not unsettled or time.monotonic() > end:
            return unsettled
        await asyncio.sleep(LOOK_S)


def _unsettled(testbed: Testbed, found: dict[str, Manifest]) -> Iterator[str]:
    for name, wish in list(testbed.ledger.wishes.items()):
        manifest = found.get(name)
        if manifest is None:
            # Whether that is right is the ledger's to say.
            testbed.ledger.gone(wish)
        elif wish.deleting:
            yield f"{name} has a finalizer still: {_said(manifest)}"
        elif not (is_converged(manifest) or _may_wait(testbed, wish, manifest)):
            yield f"{name} is not Ready: {_said(manifest)}"


def _may_wait(testbed: Testbed, wish: Wish, manifest: Manifest) -> bool:
    """Tell whether the object says rightly that it waits for a person."""
    said = ready_condition(manifest)
    if said.get("observedGeneration") != manifest["metadata"]["generation"]:
        return False
    match said["reason"]:
        case "AlreadyExists":
            name = collection_name(wish.name)
            kept = any(place[1] == name for place in testbed.ledger.kept)
            return kept or name in {*foreign_names(), *testbed.ledger.maybe}
        case "NotEmpty":
            return wish.policy == "DeleteIfEmpty"
        case _:
            return False


def _said(manifest: Manifest) -> str:
    said = ready_condition(manifest)
    return f"{said.get('reason')}: {said.get('message')}"


async def compare(testbed: Testbed) -> list[str]:
    """Return everything in which the engines are not what ledger and objects say."""
    found = await objects(testbed)
    unasked = found.keys() - testbed.ledger.wishes.keys()
    wrong = [f"{name} is there, and nobody asked for it" for name in sorted(unasked)]
    engines = Milvus1Engines()
    comparison = Comparison(testbed, engines, found)
    try:
        for endpoint in testbed.endpoints:
            wrong += await comparison.names(endpoint)
        for wish in testbed.ledger.wishes.values():
            wrong += await comparison.wish(wish)
        wrong += await comparison.kept()
    finally:
        await engines.close()
    return wrong


def placed_at(manifest: Manifest) -> str | None:
    """Return the endpoint that has the object's collection."""
    endpoint: str | None = manifest["status"].get("placement", {}).get("endpoint")
    return endpoint


class Comparison:
    """Looks at the engines as they are now; nothing may change meanwhile."""

    def __init__(
        self, testbed: Testbed, engines: Milvus1Engines, found: dict[str, Manifest]
    ) -> None:
        self._testbed = testbed
        self._ledger = testbed.ledger
        self._engines = engines
        self._found = found

    async def names(self, endpoint: str) -> list[str]:
        """Compare the names of an engine's collections."""
        there = await self._engines.at(Target(endpoint, "Quiver")).list_collections()
        foreign = set(foreign_names())
        needed = foreign | self._placed_at(endpoint)
        needed |= {name for place, name in self._ledger.kept if place == endpoint}
        left = there - needed - self._ledger.maybe
        return [
            *(f"{name} on {endpoint} is lost" for name in sorted(needed - there)),
            *(f"{name} on {endpoint} should have been dropped" for name in sorted(left)),
        ]

    def _placed_at(self, endpoint: str) -> set[str]:
        return {
            manifest["status"]["collectionName"]
            for manifest in self._found.values()
            if placed_at(manifest) == endpoint
        }

    async def wish(self, wish: Wish) -> list[str]:
        """Compare one object's collection with what its user asked for last."""
        manifest = self._found[wish.name]
        if placed_at(manifest) is None:
            return []
        self._ledger.seen(wish, manifest["status"], ready=True)
        assert wish.place is not None
        endpoint, name = wish.place
        client = self._engines.at(Target(endpoint, "Quiver"))
        observed = await client.describe(name)
        if observed is None:
            return [f"{name} on {endpoint} is not there, and its object says Ready"]
        wrong = []
        if observed.schema.dimension != wish.spec["dimension"]:
            wrong.append(f"{name} has dimension {observed.schema.dimension}: {wish.spec}")
        missing = set(wish.spec["partitions"]) - observed.partitions
        if missing:
            wrong.append(f"{name} has no partitions {sorted(missing)}")
        if "index" in wish.spec:
            index = (await client.describe_index(name)).index
            if index is None or _as_spec(index) != wish.spec["index"]:
                wrong.append(f"{name} has index {index}, not {wish.spec['index']}")
        return wrong + await self._rows(wish.place, wish.rows)

    async def kept(self) -> list[str]:
        """Compare what objects left behind, and what others have."""
        wrong: list[str] = []
        for place, rows in self._ledger.kept.items():
            wrong += await self._rows(place, rows)
        for endpoint in self._testbed.endpoints:
            for name in foreign_names():
                wrong += await self._rows((endpoint, name), {DEFAULT: set(FOREIGN_ROWS)})
        return wrong

    async def _rows(self, place: tuple[str, str], rows: Rows) -> list[str]:
        wrong = []
        for tag, ids in rows.items():
            missing = await self._testbed.vectors.missing(place, tag, ids) if ids else set()
            if missing:
                some = sorted(missing)[:3]
                what = f"{len(missing)} of {len(ids)} rows, such as {some}"
                wrong.append(f"{place[1]} on {place[0]}, partition {tag!r} has lost {what}")
        return wrong


def _as_spec(index: Index) -> dict[str, Any]:
    return {"type": index.type, "params": dict(index.params)}


def log_complaints(testbed: Testbed) -> list[str]:
    """Return what a process should not have said, and ends that nothing explains."""
    wrong = []
    for name, process in testbed.processes.items():
        text = process.log.read_text(errors="replace")
        wrong += [
            f"{process.log} says {sign!r} {text.count(sign)} times"
            for sign in ALARMING
            if sign in text
        ]
        lost = Counter(
            f"{name} ended with status {end.code}: {end.last_line}"
            for end in process.exits
            if "the lease is lost" not in end.last_line
        )
        wrong += [f"{what} ({times} times)" for what, times in lost.items()]
    return wrong
