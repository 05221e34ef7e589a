"""The users: each has names of its own, and goes on asking until it knows what came of it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random

import grpc.aio

from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key, Manifest
from quiver.ports.errors import ApiRefused, ApiUnavailable, Conflict, NotFound
from storm import specs
from storm.ledger import DEFAULT, Ledger, Wish, collection_name
from storm.manifests import MARK, is_converged, is_ready, mark_of, merge_patch
from storm.vectors import Vectors

NAMESPACE = "default"
AGAIN_S = 0.5
ROWS = 20
WEIGHTS = {
    "insert": 35,
    "partitions": 15,
    "delete": 14,
    "policy": 8,
    "look": 8,
    "index": 6,
    "label": 6,
    "forbidden": 6,
    "drop behind": 2,
}
_numbers = count(1)


@dataclass
class User:
    """One of several; no two share a name. `pause` is in seconds, on average."""

    names: Sequence[str]
    random: Random
    api: KubernetesClient
    vectors: Vectors
    ledger: Ledger
    tally: Counter[str]
    pause: float = 0.2
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Edit until `done`."""
        while not self.done.is_set():
            await self.visit(self.random.choice(self.names))
            await asyncio.sleep(self.pause * 2 * self.random.random())

    async def create_all(self) -> None:
        for name in self.names:
            await self.create(name)

    async def visit(self, name: str) -> None:
        """Do one thing about a name."""
        wish = self.ledger.wishes.get(name)
        if wish is None:
            await self.create(name)
            return
        manifest = await self.look(wish)
        if manifest is None or wish.deleting:
            if manifest is not None and wish.policy == "DeleteIfEmpty":
                await self.release(wish)
            return
        what = self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        self.tally[what] += 1
        await self._do(what, wish, manifest)

    async def _do(self, what: str, wish: Wish, manifest: Manifest) -> None:
        match what:
            case "insert":
                await self.insert(wish, manifest)
            case "drop behind":
                await self.drop_behind(wish, manifest)
            case "partitions":
                await self.edit(wish, specs.edited_partitions(wish.spec, self.random))
            case "index":
                await self.edit(wish, specs.edited_index(wish.spec, self.random))
            case "policy":
                await self.edit(wish, specs.edited_policy(wish.spec, self.random))
            case "label":
                await self.edit(wish, wish.spec)
            case "forbidden":
                await self.ask_for_what_is_forbidden(wish)
            case "delete":
                await self.delete(wish)

    async def look(self, wish: Wish) -> Manifest | None:
        """Read the object and have the ledger note what it says; None if it is gone."""
        manifest = await self.read(wish.name)
        if manifest is None:
            self.ledger.gone(wish)
            return None
        metadata = manifest["metadata"]
        if metadata["uid"] != wish.uid:
            self.ledger.complain(f"{wish.name} is another object than the one that was made")
        if "deletionTimestamp" in metadata and not wish.deleting:
            self.ledger.complain(f"{wish.name} is going, and nobody deleted it")
        self.ledger.seen(wish, manifest.get("status", {}), ready=is_ready(manifest))
        return manifest

    async def read(self, name: str) -> Manifest | None:
        while True:
            try:
                return await self.api.get(VECTOR_COLLECTION, Key(NAMESPACE, name))
            except NotFound:
                return None
            except ApiUnavailable:
                await self._again()

    async def create(self, name: str) -> None:
        self.tally["create"] += 1
        mark, spec = str(next(_numbers)), specs.new_spec(self.random)
        manifest = {
            "apiVersion": VECTOR_COLLECTION.api_version,
            "kind": VECTOR_COLLECTION.kind,
            "metadata": {"namespace": NAMESPACE, "name": name, "annotations": {MARK: mark}},
            "spec": spec,
        }
        while True:
            try:
                made = await self.api.create(VECTOR_COLLECTION, manifest)
            except ApiUnavailable:
                await self._again()
                continue
            except Conflict:
                found = await self.read(name)
                if found is None or mark_of(found) != mark:
                    self.ledger.complain(f"{name} was gone, and is there again")
                    return
                made = found
            self.ledger.created(name, made["metadata"]["uid"], spec)
            return

    async def edit(self, wish: Wish, spec: specs.Spec) -> None:
        mark = str(next(_numbers))
        while True:
            found = await self.read(wish.name)
            if found is None or "deletionTimestamp" in found["metadata"]:
                if not wish.deleting:
                    self.ledger.complain(f"{wish.name} went away, and nobody deleted it")
                return
            if mark_of(found) == mark:
                break
            metadata = {
                "resourceVersion": found["metadata"]["resourceVersion"],
                "annotations": {MARK: mark},
                "labels": {"edited-by": f"storm-{mark}"},
            }
            patch = {"metadata": metadata, "spec": merge_patch(found["spec"], spec)}
            try:
                await self._patch(wish.name, patch)
                break
            except ApiUnavailable:
                await self._again()
            except (Conflict, NotFound):
                continue
        self.ledger.edited(wish, spec)

    async def release(self, wish: Wish) -> None:
        """Give a deleted object that waits to be empty another policy."""
        policy = self.random.choice(("Delete", "Retain"))
        self.tally["release"] += 1
        spec = {**wish.spec, "deletionPolicy": policy}
        wish.held = False
        while True:
            try:
                await self._patch(wish.name, {"spec": {"deletionPolicy": policy}})
            except (ApiUnavailable, Conflict):
                await self._again()
            except NotFound:
                # An earlier try, whose answer was lost, or nothing was in it.
                self.ledger.maybe.add(collection_name(wish.name))
                self.ledger.gone(wish)
                return
            else:
                self.ledger.released(wish, spec)
                return

    async def ask_for_what_is_forbidden(self, wish: Wish) -> None:
        patch = {"spec": specs.forbidden(wish.spec, self.random)}
        while True:
            try:
                await self._patch(wish.name, patch)
            except ApiUnavailable:
                await self._again()
            except (ApiRefused, NotFound):
                return
            else:
                self.ledger.complain(f"{wish.name} took a change that is forbidden: {patch}")
                return

    async def delete(self, wish: Wish) -> None:
        key = Key(NAMESPACE, wish.name)
        while True:
            try:
                await self.api.delete(VECTOR_COLLECTION, key, wish.uid)
            except ApiUnavailable:
                await self._again()
            except (NotFound, Conflict):
                break  # an earlier try, whose answer was lost, has done it
            else:
                break
        self.ledger.deleted(wish)

    async def insert(self, wish: Wish, manifest: Manifest) -> None:
        if not is_converged(manifest) or wish.place is None:
            return
        tag = self.random.choice([DEFAULT, *wish.spec["partitions"]])
        ids = [next(_numbers) for _ in range(ROWS)]
        try:
            if await self.vectors.insert(wish.place, tag, ids, wish.spec["dimension"]):
                self.ledger.inserted(wish, tag, ids)
                self.tally["rows"] += len(ids)
        except grpc.aio.AioRpcError:
            self.tally["inserts without answer"] += 1

    async def drop_behind(self, wish: Wish, manifest: Manifest) -> None:
        if not is_converged(manifest) or wish.place is None:
            return
        try:
            await self.vectors.drop(wish.place)
        except grpc.aio.AioRpcError:
            self.ledger.dropped_behind(wish, certain=False)
        else:
            self.ledger.dropped_behind(wish, certain=True)

    async def _patch(self, name: str, patch: Manifest) -> None:
        await self.api.patch(VECTOR_COLLECTION, Key(NAMESPACE, name), patch)

    async def _again(self) -> None:
        self.tally["asked again"] += 1
        await asyncio.sleep(AGAIN_S)
