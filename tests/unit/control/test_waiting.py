"""Who is looked at when an object gives up room or a name."""

from collections.abc import Callable

import msgspec
import pytest

from quiver.control.cache.cache import Cache
from quiver.control.cache.room import Room
from quiver.control.cache.waiting import REFUSED_AT_ONCE, Waiting
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Manifest
from quiver.domain.placement import NO_LOAD, Load
from quiver.domain.reasons import Reason
from support.builders import KEYS, NAMESPACE, claim, claimed, collection, engine, external

GUESTS = "team-g"
TWIN = Key(NAMESPACE, "twin")
SERVER = "address:10.0.0.9:19530"


def saying(reason: Reason, name: str, held: bool = False, **rest: object) -> Manifest:
    status = {"conditions": [{"type": "Ready", "status": "False", "reason": reason.value}]}
    if held:
        return claimed(claim(name), name, status=status, **rest)
    return collection(name, status=status, **rest)


def room(load: Load = NO_LOAD, *, limit: int = 4, **spec: object) -> Room:
    limits = {"maxCollectionsAndPartitions": limit, **spec.pop("limits", {})}  # type: ignore[dict-item]
    status = spec.pop("status", {})
    manifest = engine(spec={"limits": limits, **spec}, status=status)  # type: ignore[arg-type]
    return Room(msgspec.convert(manifest, VectorEngine), load)


def asking(name: str, *partitions: str, namespace: str = NAMESPACE) -> Manifest:
    return collection(name, spec={"partitions": list(partitions)}, namespace=namespace)


def names(keys: object) -> list[str]:
    return [key.name for key in keys]  # type: ignore[attr-defined]


def test_room_goes_to_those_who_waited_longest_and_fit() -> None:
    """Who asks for more than there is stands in nobody's way."""
    waiting = [asking("a", "p", "q", "r", "s"), asking("b", "p", "q"), asking("c"), asking("d")]
    assert names(room().fitting(waiting)) == ["b", "c"]


def test_each_member_has_room_of_its_own() -> None:
    """Two of three each do not make four."""
    two = room(Load({"engine-0": 1}, {}), limit=3, replicas=2)
    waiting = [asking("a", "p", "q", "r"), asking("b", "p", "q"), asking("c", "p")]
    assert names(two.fitting(waiting)) == ["b", "c"]


def test_partitions_need_room_where_their_collection_is() -> None:
    """On a member that is leaving, too."""
    growing = claimed(claim(member="engine-7"), spec={"partitions": ["p"]})
    assert names(room(Load({"engine-7": 3}, {})).fitting([growing])) == ["test01"]
    assert names(room(Load({"engine-7": 4}, {})).fitting([growing])) == []


def test_a_guest_fits_into_its_share() -> None:
    """What it has left counts, but for what it would take up again; others have shares of their
    own, and the engine's namespace has none.
    """
    left = {f"{SERVER}/x": f"{GUESTS}/2"}
    full = room(Load({}, {GUESTS: 1}), limits={"maxPerNamespace": 3}, status={"retained": left})
    waiting = [asking(n, namespace=GUESTS) for n in ("a", "x")] + [asking("c", namespace="other")]
    assert names(full.fitting(waiting)) == ["x", "c"]


def test_what_a_guest_left_in_a_database_is_taken_up_under_its_name_there() -> None:
    """One of the name in the default database is another, and needs room of its own."""
    left = {f"{SERVER}/db/x": f"{GUESTS}/2"}
    full = room(Load({}, {GUESTS: 1}), limits={"maxPerNamespace": 3}, status={"retained": left})
    here = asking("x", namespace=GUESTS)
    there = {**here, "spec": {**here["spec"], "milvus": {"database": "db"}}}
    assert names(full.fitting([here])) == []
    assert names(full.fitting([there])) == ["x"]


class Looks:
    """A cache, and which objects are enqueued as it changes."""

    def __init__(self) -> None:
        self.cache = Cache(KEYS)
        self.added: list[str] = []
        self._version = 10
        self._folded: list[Callable[[], None]] = []
        waiting = Waiting(self.cache, self._add, self._engines_at, self._folded.append)
        self.cache.subscribe(waiting)

    def _add(self, key: Key) -> None:
        self.added.append(key.name)

    def _engines_at(self, server: str) -> list[Key]:
        return [TWIN] if server == SERVER else []

    def put(self, *manifests: Manifest) -> None:
        for manifest in manifests:
            self._version += 1
            manifest["metadata"]["resourceVersion"] = str(self._version)
            kind = VECTOR_ENGINE if manifest["kind"] == "VectorEngine" else VECTOR_COLLECTION
            self.cache.put(kind, manifest)

    def remove(self, name: str) -> None:
        self.cache.remove(VECTOR_COLLECTION, Key(NAMESPACE, name), f"uid-of-{name}", ours=True)

    def after_the_fold(self) -> list[str]:
        while self._folded:
            self._folded.pop(0)()
        return self.added


@pytest.fixture
def looks() -> Looks:
    found = Looks()
    limits = {"maxCollectionsAndPartitions": 2}
    found.put(engine(spec={"limits": limits}), claimed(claim("had"), "had"))
    found.put(claimed(claim("full"), "full", status={"partitions": ["a"]}))
    found.put(saying(Reason.QUOTA_EXCEEDED, "waiting"))
    assert found.after_the_fold() == []
    return found


def test_an_end_makes_room(looks: Looks) -> None:
    """The room is looked at once, a moment later."""
    looks.remove("had")
    looks.remove("full")
    assert looks.added == []
    assert looks.after_the_fold() == ["waiting"]


def test_a_partition_that_goes_makes_room(looks: Looks) -> None:
    """By the operator's own write of the status."""
    looks.remove("had")
    looks.added.clear()
    looks.put(claimed(claim("full"), "full"))
    assert looks.after_the_fold() == ["waiting"]


def test_room_that_was_made_during_a_look_is_seen_after_it(looks: Looks) -> None:
    """The object says only then that it waits."""
    looks.remove("waiting")
    looks.remove("had")
    looks.remove("full")
    looks.put(saying(Reason.QUOTA_EXCEEDED, "late"))
    assert looks.after_the_fold() == ["late"]


def test_a_name_is_looked_for_by_way_of_each_engine_at_the_server() -> None:
    """Who waits there for another name is not looked at."""
    looks = Looks()
    held = claim("docs", member="e.example:19530", server=SERVER)
    looks.put(external("e.example:19530"), claimed(held, "docs"))
    at_twin = {"engineRef": {"name": "twin"}, "collectionName": "docs"}
    looks.put(saying(Reason.NAME_TAKEN, "same", spec=at_twin))
    looks.put(saying(Reason.NAME_TAKEN, "other", spec={**at_twin, "collectionName": "other"}))
    looks.remove("docs")
    assert looks.added == ["same"]


def test_whom_a_server_refused_tries_again_some_at_a_time() -> None:
    """What the server takes in all is known to it alone."""
    looks = Looks()
    held = claim("docs", member="e.example:19530", server=SERVER)
    looks.put(external("e.example:19530"), claimed(held, "docs"))
    many = [f"refused-{number}" for number in range(REFUSED_AT_ONCE + 5)]
    at_twin = {"engineRef": {"name": "twin"}}
    looks.put(*(saying(Reason.ENGINE_REFUSED, name, spec=at_twin) for name in many))
    looks.remove("docs")
    assert looks.added == many[:REFUSED_AT_ONCE]


def test_an_object_that_is_made_anew_waits_as_itself(looks: Looks) -> None:
    """What the one before has left is recorded later, and must not take the new one's turn."""
    looks.put(saying(Reason.QUOTA_EXCEEDED, "again", held=True))
    looks.put(saying(Reason.QUOTA_EXCEEDED, "again", uid="another"))
    (abandoned,) = looks.cache.abandoned(Key(NAMESPACE, "again"))
    looks.cache.forget_abandoned(abandoned)
    for name in ("had", "full", "waiting"):
        looks.remove(name)
    assert looks.after_the_fold() == ["again"]


def test_an_object_that_names_no_engine_any_more_gives_nothing_up(looks: Looks) -> None:
    """A looser CRD may let a user take the reference out. The cache goes on."""
    lost = claimed(claim("had"), "had")
    del lost["spec"]["engineRef"]
    looks.put(lost)
    looks.remove("had")
    assert looks.cache.get(VECTOR_COLLECTION, Key(NAMESPACE, "had")) is None
