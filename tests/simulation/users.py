"""What people do to objects, by intent and by mistake."""

import json
from collections.abc import Callable
from contextlib import suppress
from random import Random

from quiver.domain.claims import CLAIM_ANNOTATION, FINALIZER
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Kind, Manifest
from quiver.ports.errors import ApiError, EngineError
from simulation.api_server import ApiServer
from simulation.engines import Fleet
from simulation.milvus_specs import MILVUS_ENGINES, is_on_milvus
from simulation.milvus_users import MilvusUsers
from simulation.mischief import (
    ACTOR,
    ALIAS,
    ENDPOINTS,
    HOSTS,
    NAMES,
    NAMESPACES,
    SYSTEM,
    TAGS,
    Mischief,
)
from simulation.safety import Safety

ENGINES = ("ext", "pods", "twin", "more")
INDEXES: tuple[Manifest | None, ...] = (
    None,
    {"type": "IVF_FLAT", "params": {"nlist": 16}},
    {"type": "HNSW", "params": {"M": 16, "efConstruction": 64}},
)
HOLD = "example.org/hold"
POLICIES = (None, None, "Delete", "Delete", "Retain", "DeleteIfEmpty")


class Users:
    """Does one thing at a time, chosen by the seed. Engines are in namespace x."""

    def __init__(
        self,
        server: ApiServer,
        fleet: Fleet,
        safety: Safety,
        rng: Random,
        *,
        hold: bool = False,
        milvus: MilvusUsers | None = None,
    ) -> None:
        """With `hold` some objects that are deleted have a finalizer of the users' too. `milvus` is
        there if users have an engine of that type.
        """
        self._hold = hold
        self._milvus = milvus
        self._server = server
        self._fleet = fleet
        self._rng = rng
        self._defaults = {name: rng.choice((None, None, "Delete", "Retain")) for name in ENGINES}
        self._storage = rng.random() < 0.5
        self._limit = rng.choice((2, 3, 4, 6, 64))
        self._type = rng.choice(("Quiver", "Milvus1"))
        self._mischief = Mischief(server, fleet, safety, rng)
        weights = self._repertoire() | self._mischief.repertoire()
        if milvus is not None:
            weights |= milvus.repertoire()
        self._does = [do for do, weight in weights.items() for _ in range(weight)]

    def begin(self) -> None:
        """Make what there is before anything goes wrong."""
        for name in (*NAMESPACES, SYSTEM):
            self._mischief.make_namespace(name)
        self._fleet.names.update(HOSTS)
        for endpoint, tells in zip(ENDPOINTS, (True, self._rng.random() < 0.5), strict=True):
            home = self._fleet.server_behind(endpoint)
            self._fleet.start(home.name, home, tells=tells)
        for name in ENGINES[:2]:
            self._make_engine(name)
        if self._milvus is not None:
            self._milvus.begin()
        for _ in range(self._rng.randint(1, 3)):
            self.act()

    def act(self) -> None:
        """Do something; what is refused, is refused."""
        with suppress(ApiError, EngineError):
            self._rng.choice(self._does)()
        if self._milvus is not None:
            self._milvus.act_besides()

    def end(self) -> None:
        """Put right what operators cannot."""
        self._server.lenient = False
        self._mischief.end()
        if self._milvus is not None:
            self._milvus.end()

    def _repertoire(self) -> dict[Callable[[], None], int]:
        """Return what there is to do, by how often it is done."""
        return {
            self._create: 14,
            self._edit: 10,
            self._edit_what_is_fixed: 3,
            self._delete: 8,
            self._repent: 4,
            self._touch: 2,
            self._restore: 4,
            self._replace: 2,
            self._take_off_finalizer: 1,
            self._forge_claim: 3,
            self._swap_crd: 1,
            self._change_engine: 4,
            self._remove_engine: 1,
            self._make_some_engine: 2,
            **({self._let_go: 4} if self._hold else {}),
        }

    # Objects

    def _create(self) -> None:
        pick = self._rng.choice
        namespace = pick(NAMESPACES)
        reference: Manifest = {"name": pick(("ext", "ext", "pods", "pods", "twin", "more"))}
        if namespace != "x" and self._rng.random() < 0.9:
            reference["namespace"] = "x"
        spec: Manifest = {
            "engineRef": reference,
            "dimension": pick((8, 8, 16)),
            "partitions": self._some_tags(),
            "index": pick(INDEXES),
            "deletionPolicy": pick(POLICIES),
            "adoptionPolicy": pick(("Never", "IfIdentical")),
            "collectionName": pick((None, None, None, "a", "shared")),
            "binding": pick((None, None, {"secretName": "s"}, {"secretName": "t"})),
        }
        spec = {key: value for key, value in spec.items() if value not in (None, [])}
        self._make(VECTOR_COLLECTION, Key(namespace, pick(NAMES)), spec)

    def _edit(self) -> None:
        pick = self._rng.choice
        change: Manifest = pick(
            (
                {"partitions": self._some_tags() or None},
                {"partitions": self._some_tags() or None},
                {"index": pick(INDEXES)},
                {"deletionPolicy": pick(POLICIES)},
                {"adoptionPolicy": pick(("Never", "IfIdentical"))},
                {"suspend": pick((True, False, False))},
                {"binding": pick((None, {"secretName": "s"}, {"secretName": "t"}))},
            )
        )
        found = self._some(VECTOR_COLLECTION)
        # Parameters of one kind of index must not be merged into those of another.
        if "index" in change and found is not None and "index" in found["spec"]:
            self._patch(found, {"spec": {"index": None}})
        self._patch(found, {"spec": change})

    def _edit_what_is_fixed(self) -> None:
        change: Manifest = self._rng.choice(
            (
                {"dimension": self._rng.choice((8, 16))},
                {"indexFileSize": self._rng.choice((1024, 512))},
                {"collectionName": self._rng.choice(("a", "shared", "other"))},
                {"metricType": "IP"},
            )
        )
        found = self._some(VECTOR_COLLECTION)
        if found is not None and not is_on_milvus(found):
            self._patch(found, {"spec": change})

    def _delete(self) -> None:
        found = self._some(VECTOR_COLLECTION)
        if found is None:
            return
        finalizers = found["metadata"].get("finalizers", [])
        if self._hold and HOLD not in finalizers and self._rng.random() < 0.6:
            self._patch(found, {"metadata": {"finalizers": [*finalizers, HOLD]}})
        self._server.delete(ACTOR, VECTOR_COLLECTION, Key.of(found))

    def _let_go(self) -> None:
        held = [
            m
            for m in self._server.all(VECTOR_COLLECTION)
            if HOLD in m["metadata"].get("finalizers", ())
        ]
        if held:
            found = self._rng.choice(held)
            others = [name for name in found["metadata"]["finalizers"] if name != HOLD]
            self._patch(found, {"metadata": {"finalizers": others or None}})

    def _repent(self) -> None:
        """Keep the collection of an object that is being deleted already."""
        going = [
            m for m in self._server.all(VECTOR_COLLECTION) if "deletionTimestamp" in m["metadata"]
        ]
        change = self._rng.choice(({"deletionPolicy": "Retain"}, {"suspend": True}))
        self._patch(self._rng.choice(going) if going else None, {"spec": change})

    def _touch(self) -> None:
        annotation = {"quiver.dev/reconcile": str(self._rng.random())}
        self._patch(self._some(VECTOR_COLLECTION), {"metadata": {"annotations": annotation}})

    def _restore(self) -> None:
        """Make a copy of an object, with all that stands in it, as a backup tool does."""
        found = self._some(VECTOR_COLLECTION)
        if found is None:
            return
        key = Key(found["metadata"]["namespace"], self._rng.choice(NAMES))
        self._server.delete(ACTOR, VECTOR_COLLECTION, key)
        metadata = {**found["metadata"], "name": key.name}
        self._server.create(ACTOR, VECTOR_COLLECTION, {**found, "metadata": metadata})
        status = {"status": found["status"]}
        self._server.patch(ACTOR, VECTOR_COLLECTION, key, status, "status")

    def _replace(self) -> None:
        found = self._some(VECTOR_COLLECTION)
        if found is None:
            return
        kept = ("name", "namespace", "uid", "resourceVersion")
        metadata = {k: v for k, v in found["metadata"].items() if k in kept}
        self._server.replace(ACTOR, VECTOR_COLLECTION, {**found, "metadata": metadata})

    def _take_off_finalizer(self) -> None:
        found = self._some(VECTOR_COLLECTION)
        if found is not None and FINALIZER in found["metadata"].get("finalizers", ()):
            self._patch(found, {"metadata": {"finalizers": None}})

    def _forge_claim(self) -> None:
        """Write a claim, as whoever may edit the object can: made up, or copied from another."""
        found, other = self._some(VECTOR_COLLECTION), self._some(VECTOR_COLLECTION)
        if found is None or other is None:
            return
        annotations = other["metadata"].get("annotations", {})
        text = annotations.get(CLAIM_ANNOTATION) if self._rng.random() < 0.3 else None
        if text is None:
            stolen: Manifest = other["status"].get("claim", {})
            forged = {
                "objectUID": found["metadata"]["uid"],
                "engineUID": stolen.get("engineUID", "no-such-engine"),
                "member": self._rng.choice((stolen.get("member", "pods-0"), "pods-9", "pods-²")),
                "collectionName": stolen.get("collectionName", self._rng.choice(NAMES)),
                "server": stolen.get("server", "address:192.0.2.1:19530"),
                "signature": "0" * 64,
            }
            text = json.dumps(forged)
        self._patch(found, {"metadata": {"annotations": {CLAIM_ANNOTATION: text}}})

    def _swap_crd(self) -> None:
        self._server.lenient = not self._server.lenient

    # Engines as objects

    def _make_engine(self, name: str) -> None:
        pick = self._rng.choice
        spec: Manifest = {
            "defaultDeletionPolicy": self._defaults[name],
            "limits": self._limits(),
            "allowedNamespaces": {
                "from": pick(("Same", "All", "All", "All")),
                "mayAdopt": pick((True, True, False)),
            },
        }
        if name == "more":
            spec |= {"type": self._type, "image": "registry.example/engine:1"}
        if name in ("pods", "more"):
            spec["replicas"] = pick((1, 2))
            spec["storage"] = {"size": "1Gi"} if self._storage else None
        else:
            spec["external"] = {"endpoints": self._some_endpoints()}
        spec = {key: value for key, value in spec.items() if value is not None}
        self._make(VECTOR_ENGINE, Key("x", name), spec)

    def _make_some_engine(self) -> None:
        self._make_engine(self._rng.choice(ENGINES))

    def _change_engine(self) -> None:
        found = self._some(VECTOR_ENGINE)
        if found is None:
            return
        pick = self._rng.choice
        change: Manifest = pick(
            (
                {"limits": self._limits()},
                {
                    "allowedNamespaces": {
                        "from": pick(("Same", "All")),
                        "mayAdopt": pick((True, False)),
                    }
                },
                {"external": {"endpoints": self._endpoints_for(found)}}
                if "external" in found["spec"]
                else {"replicas": pick((0, 1, 2, 3))},
            )
        )
        self._server.patch(ACTOR, VECTOR_ENGINE, Key.of(found), {"spec": change})

    def _limits(self) -> Manifest:
        limits = {"maxCollectionsAndPartitions": self._rng.choice((self._limit, self._limit, 64))}
        if self._rng.random() < 0.2:
            limits["maxPerNamespace"] = self._rng.choice((1, 3, 8))
        return limits

    def _remove_engine(self) -> None:
        found = self._some(VECTOR_ENGINE)
        if found is not None:
            self._server.delete(ACTOR, VECTOR_ENGINE, Key.of(found))

    # Choices

    def _make(self, kind: Kind, key: Key, spec: Manifest) -> None:
        metadata = {"namespace": key.namespace, "name": key.name}
        self._server.create(ACTOR, kind, {"metadata": metadata, "spec": spec})

    def _patch(self, found: Manifest | None, patch: Manifest) -> None:
        if found is not None:
            self._server.patch(ACTOR, VECTOR_COLLECTION, Key.of(found), patch)

    def _some(self, kind: Kind) -> Manifest | None:
        found = list(self._server.all(kind))
        return self._rng.choice(found) if found else None

    def _some_tags(self) -> list[str]:
        return [tag for tag in TAGS if self._rng.random() < 0.3]

    def _endpoints_for(self, engine: Manifest) -> list[str]:
        if self._milvus is not None and engine["metadata"]["name"] in MILVUS_ENGINES:
            return self._milvus.some_endpoints()
        return self._some_endpoints()

    def _some_endpoints(self) -> list[str]:
        pairs = (
            ENDPOINTS,
            ENDPOINTS,
            ENDPOINTS[:1],
            ENDPOINTS[1:],
            (ALIAS, ENDPOINTS[1]),
            (ALIAS,),
        )
        return list(self._rng.choice(pairs))
