"""The cluster as it will be once the manifests are applied, before Quiver does anything."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from quiver.commands.planning.answers import Answers, Object
from quiver.commands.planning.live import Live
from quiver.control.cache.cache import Cache
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Manifest
from quiver.domain.manifests import engine_of

NOT_STORED = "0"
"""The resourceVersion of an object that is not there yet."""


class Future:
    """The objects as they will be, in a cache of the operator's."""

    def __init__(self, live: Live, answers: Answers, written: Iterable[Object]) -> None:
        """`written` are the objects of the manifests, in their order."""
        self._live = live
        self._answers = answers
        self._written = written
        self._now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.cache = Cache()
        self._order = self._fill()

    def place(self, of: Object) -> int:
        """Return the place of a collection in the order in which Quiver sees them; engines come
        first.
        """
        return self._order.get(of, -1)

    def is_new(self, of: Object) -> bool:
        kind, key = of
        return key not in self._live.objects[kind]

    def changed_fields(self, of: Object) -> tuple[str, ...]:
        """Return the fields of the spec that are others than now; none of an object that is new."""
        kind, key = of
        before, after = self._live.objects[kind].get(key), self._answers.objects.get(of)
        if before is None or after is None:
            return ()
        return tuple(sorted(_changed(before.get("spec") or {}, after.get("spec") or {})))

    def dependents(self) -> list[Key]:
        """Return the collections whose engines change or go, and that have no manifest here."""
        own = self._answers.objects.keys() | self._answers.refusals.keys() | self._answers.going
        engines = {
            key
            for kind, key in (*self._answers.objects, *self._answers.going)
            if kind == VECTOR_ENGINE
        }
        changed = {
            key
            for key in engines
            if (VECTOR_ENGINE, key) in self._answers.going
            or self.changed_fields((VECTOR_ENGINE, key))
            or self.is_new((VECTOR_ENGINE, key))
        }
        found = (m for m in self.cache.all(VECTOR_COLLECTION) if engine_of(m) in changed)
        return [key for key in map(Key.of, found) if (VECTOR_COLLECTION, key) not in own]

    def _fill(self) -> dict[Object, int]:
        """Fill the cache. Return the order in which Quiver sees the objects: those that are there,
        the oldest first, and then the new ones, as they are written.
        """
        for kind, objects in self._live.objects.items():
            for key, manifest in objects.items():
                self.cache.put(kind, self._now_or_then((kind, key), manifest))
        answered = (of for of in self._written if of in self._answers.objects)
        new = [of for of in answered if self.is_new(of)]
        for number, (kind, key) in enumerate(new):
            self.cache.put(kind, self._made(self._answers.objects[kind, key], number))
        known = sorted(self._live.objects[VECTOR_COLLECTION].items(), key=_age)
        ordered = [(VECTOR_COLLECTION, key) for key, _ in known] + list(_collections(new))
        return {of: place for place, of in enumerate(ordered)}

    def _now_or_then(self, of: Object, live: Manifest) -> Manifest:
        if of in self._answers.going:
            metadata = {"deletionTimestamp": self._now, **live["metadata"]}
            return {**live, "metadata": metadata}
        return self._answers.objects.get(of, live)

    def _made(self, manifest: Manifest, number: int) -> Manifest:
        """Return a new object with what the API server gives it when it is stored. Those that are
        written first are the oldest.
        """
        given = {
            "uid": f"planned-{number:08d}",
            "resourceVersion": NOT_STORED,
            "creationTimestamp": self._now,
        }
        return {**manifest, "metadata": {"generation": 1, **manifest["metadata"], **given}}


def _collections(objects: Iterable[Object]) -> Iterator[Object]:
    return (of for of in objects if of[0] == VECTOR_COLLECTION)


def _age(item: tuple[Key, Manifest]) -> tuple[str, str]:
    metadata = item[1]["metadata"]
    return metadata.get("creationTimestamp", ""), metadata.get("uid", "")


def _changed(before: Manifest, after: Manifest) -> Iterator[str]:
    for name in before.keys() | after.keys():
        was, is_ = before.get(name), after.get(name)
        if was == is_:
            continue
        if isinstance(was, dict) and isinstance(is_, dict):
            yield from (f"{name}.{n}" for n in was.keys() | is_.keys() if was.get(n) != is_.get(n))
        else:
            yield name
