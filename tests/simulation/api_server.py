"""A model of the Kubernetes API server: what it stores, what it refuses, what it tells watchers.

Its calls take effect at once. Latency and faults are the client's; controllers live elsewhere.
"""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from quiver.domain.kubernetes_types import NAMESPACE, Key, Kind, Manifest
from quiver.ports.api import Listing
from quiver.ports.errors import ApiRefused, Conflict, NotFound
from simulation.admission import HAS_STATUS, check_spec, check_transition, defaulted
from simulation.merging import applied, merged

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
OF_THE_SERVER = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "generation",
    "name",
    "namespace",
)


class Write(NamedTuple):
    """One accepted write. `new` is None when the object is gone, `old` when it is new.

    A write that changed nothing has the same object as both.
    """

    at: float
    actor: str
    verb: str
    kind: Kind
    key: Key
    old: Manifest | None
    new: Manifest | None


class Event(NamedTuple):
    """What watchers are told. For DELETED the manifest is the last state, with a newer version."""

    version: int
    type: str
    manifest: Manifest


class ApiServer:
    """Objects are never changed in place, so whoever was handed one may keep it."""

    def __init__(self, now: Callable[[], float], new_uid: Callable[[], str]) -> None:
        """`now` returns seconds since the simulation began."""
        self.lenient = False
        """Whether the CRDs have been swapped for some that let fixed fields change."""
        self.version = 1
        self.observers: list[Callable[[Write], None]] = []
        self.events: dict[Kind, list[Event]] = {}
        self._now = now
        self._names = 0
        self._new_uid = new_uid
        self._objects: dict[Kind, dict[Key, Manifest]] = {}
        self._applied: dict[str, Manifest] = {}
        self._changed_at: dict[tuple[Kind, Key], float] = {}
        self._waiters: dict[Kind, list[asyncio.Future[None]]] = {}

    @property
    def now(self) -> float:
        """Seconds since the simulation began."""
        return self._now()

    def find(self, kind: Kind, key: Key) -> Manifest | None:
        return self._objects.get(kind, {}).get(key)

    def get(self, kind: Kind, key: Key) -> Manifest:
        found = self.find(kind, key)
        if found is None:
            raise NotFound(f"{kind.plural} {key} not found")
        return found

    def changed_at(self, kind: Kind, key: Key) -> float:
        """Return when the object was last changed, made or taken away."""
        return self._changed_at.get((kind, key), 0.0)

    def all(self, kind: Kind) -> Iterator[Manifest]:
        yield from list(self._objects.get(kind, {}).values())

    def everything(self) -> Iterator[tuple[Kind, Key, Manifest]]:
        for kind, objects in list(self._objects.items()):
            for key, manifest in list(objects.items()):
                yield kind, key, manifest

    def list(self, kind: Kind, selector: str = "") -> Listing:
        items = [m for m in self.all(kind) if selected(m, selector)]
        return Listing(items, str(self.version))

    async def news(self, kind: Kind, known: int) -> None:
        """Wait until there are more than `known` events of the kind."""
        loop = asyncio.get_running_loop()
        while len(self.events.setdefault(kind, [])) <= known:
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiters.setdefault(kind, []).append(waiter)
            await waiter

    def create(self, actor: str, kind: Kind, manifest: Manifest) -> Manifest:
        key = _key(manifest)
        self._check_namespace(key.namespace)
        if self.find(kind, key) is not None:
            raise Conflict(f"{kind.plural} {key} already exists")
        given = {k: v for k, v in manifest["metadata"].items() if k not in ("uid", "generation")}
        metadata = {
            **given,
            "uid": self._new_uid(),
            "generation": 1,
            "creationTimestamp": self._moment(),
        }
        metadata.pop("deletionTimestamp", None)
        new = {"apiVersion": kind.api_version, "kind": kind.kind, **manifest, "metadata": metadata}
        if kind in HAS_STATUS:
            new.pop("status", None)
        check_spec(kind, new)
        return self._store(actor, "create", kind, None, defaulted(kind, new))

    def with_foretold_name(self, manifest: Manifest) -> Manifest:
        """Return the manifest under a name that is the same in each run, not a random one."""
        self._names += 1
        name = f"event-{self._names}"
        return {**manifest, "metadata": {**manifest["metadata"], "name": name}}

    def patch(
        self, actor: str, kind: Kind, key: Key, patch: Manifest, subresource: str = ""
    ) -> Manifest:
        old = self.get(kind, key)
        _check_preconditions(patch.get("metadata", {}), old)
        new = merged(old, patch)
        verb = f"patch {subresource}" if subresource else "patch"
        return self._update(actor, verb, kind, old, new, status_only=subresource == "status")

    def replace(self, actor: str, kind: Kind, manifest: Manifest) -> Manifest:
        """Do what `kubectl replace` does: what the manifest does not have goes."""
        old = self.get(kind, _key(manifest))
        return self._update(actor, "replace", kind, old, manifest)

    def apply(self, actor: str, kind: Kind, manifest: Manifest) -> Manifest:
        old = self.find(kind, _key(manifest))
        if old is None:
            new = self.create(actor, kind, manifest)
        else:
            before = self._applied.get(old["metadata"]["uid"], {})
            new = self._update(actor, "apply", kind, old, applied(old, before, manifest))
        self._applied[new["metadata"]["uid"]] = manifest
        return new

    def delete(self, actor: str, kind: Kind, key: Key, uid: str | None = None) -> None:
        old = self.get(kind, key)
        if uid is not None and old["metadata"]["uid"] != uid:
            raise Conflict(f"{kind.plural} {key} has another uid")
        if "deletionTimestamp" in old["metadata"]:
            self._tell(Write(self._now(), actor, "delete", kind, key, old, old))
            return
        if not old["metadata"].get("finalizers"):
            self._remove(actor, "delete", kind, old)
            return
        metadata = {
            **old["metadata"],
            "deletionTimestamp": self._moment(),
            "generation": old["metadata"]["generation"] + 1,
        }
        self._store(actor, "delete", kind, old, {**old, "metadata": metadata})

    def _update(
        self,
        actor: str,
        verb: str,
        kind: Kind,
        old: Manifest,
        new: Manifest,
        *,
        status_only: bool = False,
    ) -> Manifest:
        new = self._admitted(kind, old, new, status_only=status_only)
        if new == old:
            self._tell(Write(self._now(), actor, verb, kind, _key(old), old, old))
            return old
        metadata = new["metadata"]
        if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            return self._remove(actor, verb, kind, new)
        return self._store(actor, verb, kind, old, new)

    def _admitted(self, kind: Kind, old: Manifest, new: Manifest, *, status_only: bool) -> Manifest:
        if status_only:
            return {**old, "status": new.get("status", {})}
        metadata = _tidy(new["metadata"])
        metadata |= {k: old["metadata"][k] for k in OF_THE_SERVER if k in old["metadata"]}
        metadata["resourceVersion"] = old["metadata"]["resourceVersion"]
        new = {**new, "metadata": metadata}
        if kind in HAS_STATUS:
            new["status"] = old["status"]
            new = defaulted(kind, new)
        if "deletionTimestamp" in metadata:
            _check_no_new_finalizers(old, new)
        check_spec(kind, new)
        if not self.lenient:
            check_transition(kind, old, new)
        if _content(kind, old) != _content(kind, new):
            metadata["generation"] = old["metadata"]["generation"] + 1
        return new

    def _check_namespace(self, name: str) -> None:
        if not name:
            return
        namespace = self.get(NAMESPACE, Key("", name))
        if "deletionTimestamp" in namespace["metadata"]:
            raise ApiRefused(f"namespace {name} is being terminated")

    def _store(
        self, actor: str, verb: str, kind: Kind, old: Manifest | None, new: Manifest
    ) -> Manifest:
        new = self._versioned(new)
        self._objects.setdefault(kind, {})[_key(new)] = new
        self._announce(kind, "MODIFIED" if old else "ADDED", new)
        self._tell(Write(self._now(), actor, verb, kind, _key(new), old, new))
        return new

    def _remove(self, actor: str, verb: str, kind: Kind, last: Manifest) -> Manifest:
        key = _key(last)
        old = self._objects[kind].pop(key)
        last = self._versioned(last)
        self._announce(kind, "DELETED", last)
        self._tell(Write(self._now(), actor, verb, kind, key, old, None))
        return last

    def _versioned(self, manifest: Manifest) -> Manifest:
        self.version += 1
        metadata = {**manifest["metadata"], "resourceVersion": str(self.version)}
        return {**manifest, "metadata": metadata}

    def _announce(self, kind: Kind, type_: str, manifest: Manifest) -> None:
        self.events.setdefault(kind, []).append(Event(self.version, type_, manifest))
        for waiter in self._waiters.pop(kind, ()):
            if not waiter.done():
                waiter.set_result(None)

    def _tell(self, write: Write) -> None:
        for observer in self.observers:
            observer(write)
        if write.old is not write.new:
            self._changed_at[write.kind, write.key] = write.at

    def _moment(self) -> str:
        return moment(self._now())


def moment(seconds: float) -> str:
    """Return the time of day so many seconds after the beginning, as the API server writes it."""
    return (BEGINNING + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def selected(manifest: Manifest, selector: str) -> bool:
    """Tell whether the object has the labels of a selector such as `a=b`; empty selects all."""
    labels = manifest["metadata"].get("labels", {})
    wanted = (part.partition("=") for part in selector.split(",") if part)
    return all(labels.get(name) == value for name, _, value in wanted)


def _key(manifest: Manifest) -> Key:
    return Key(manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"])


def _check_preconditions(given: Manifest, old: Manifest) -> None:
    for field in ("uid", "resourceVersion"):
        if field in given and given[field] != old["metadata"][field]:
            raise Conflict(f"{field} is {old['metadata'][field]}, not {given[field]}")


def _check_no_new_finalizers(old: Manifest, new: Manifest) -> None:
    before = old["metadata"].get("finalizers", ())
    added = [f for f in new["metadata"].get("finalizers", ()) if f not in before]
    if added:
        raise ApiRefused(f"no new finalizers can be added: {', '.join(added)}")


def _tidy(metadata: Manifest) -> Manifest:
    """Return the metadata without what is empty, which the API server leaves out."""
    return {key: value for key, value in metadata.items() if value not in ({}, [], None)}


def _content(kind: Kind, manifest: Manifest) -> Manifest:
    """Return what counts for the generation: not metadata, nor a status that is a subresource."""
    left_out = ("metadata", "status")
    return {key: value for key, value in manifest.items() if key not in left_out}
