"""What people do to VectorCollections on Milvus, and to their engine."""

from collections.abc import Callable
from random import Random

from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Manifest
from simulation.api_server import ApiServer
from simulation.engines import Fleet
from simulation.milvus_form_users import FormUsers
from simulation.milvus_mischief import ALIAS, DATABASE, ENDPOINTS, LOGIN, PROPERTIES, MilvusMischief
from simulation.milvus_specs import MILVUS_ENGINES, is_on_milvus
from simulation.mischief import ACTOR, NAMES, NAMESPACES, TAGS
from simulation.safety import Safety

INDEXES: tuple[Manifest | None, ...] = (
    None,
    {"type": "IVF_FLAT", "params": {"nlist": 16}},
    {"type": "HNSW", "params": {"M": 16, "efConstruction": 64}},
    {"type": "AUTOINDEX", "params": {}},
)
LOADS: tuple[Manifest | None, ...] = (
    None,
    None,
    {"enabled": True},
    {"enabled": False},
    {"enabled": False},
    {"enabled": True, "replicas": 2},
)


class MilvusUsers:
    """Does one thing at a time, chosen by the seed. Engines are in namespace x."""

    def __init__(
        self,
        server: ApiServer,
        fleet: Fleet,
        safety: Safety,
        rng: Random,
        forms: FormUsers | None = None,
    ) -> None:
        """`forms` is there if users write schemas in long form, too."""
        self._server = server
        self._rng = rng
        self._forms = forms
        self._mischief = MilvusMischief(server, fleet, safety, rng)

    def begin(self) -> None:
        """Make what there is before anything goes wrong."""
        self._mischief.begin()
        for name in MILVUS_ENGINES[: self._rng.choice((1, 2))]:
            self._make_engine(name)
        if self._forms is not None:
            self._forms.begin()

    def end(self) -> None:
        """Put right what operators cannot."""
        self._mischief.end()

    def repertoire(self) -> dict[Callable[[], None], int]:
        """Return what there is to do, by how often it is done."""
        return {
            self._create: 20,
            self._edit: 18,
            self._edit_what_is_fixed: 1,
            self._delete: 6,
            self._make_some_engine: 3,
            **self._mischief.repertoire(),
        }

    def act_besides(self) -> None:
        """Have those who write long forms do something, too."""
        if self._forms is not None:
            self._forms.act_soon()

    def some_endpoints(self) -> list[str]:
        return [self._rng.choice((*ENDPOINTS, ENDPOINTS[0], ALIAS))]

    def _make_some_engine(self) -> None:
        self._make_engine(self._rng.choice(MILVUS_ENGINES))

    def _make_engine(self, name: str) -> None:
        pick = self._rng.choice
        spec: Manifest = {
            "type": "Milvus",
            "external": {"endpoints": self.some_endpoints()},
            "milvus": {"createDatabases": pick((True, False))},
            "defaultDeletionPolicy": pick((None, "Delete", "Retain")),
            "allowedNamespaces": {"from": "All", "mayAdopt": pick((True, True, False))},
            "auth": {"secretName": LOGIN} if self._mischief.has_login else None,
        }
        spec = {key: value for key, value in spec.items() if value is not None}
        metadata = {"namespace": "x", "name": name}
        self._server.create(ACTOR, VECTOR_ENGINE, {"metadata": metadata, "spec": spec})

    def _create(self) -> None:
        pick = self._rng.choice
        namespace = pick(NAMESPACES)
        milvus: Manifest = {
            "database": pick((None, None, DATABASE)),
            "load": pick(LOADS),
            "shards": pick((None, None, 2)),
            "consistencyLevel": pick((None, None, "Strong")),
            "properties": self._some_properties(),
        }
        spec: Manifest = {
            "engineRef": {"name": pick((*MILVUS_ENGINES, MILVUS_ENGINES[0])), "namespace": "x"},
            "dimension": pick((8, 8, 16)),
            "metricType": pick((None, None, "IP")),
            "partitions": [tag for tag in TAGS if self._rng.random() < 0.2],
            "index": pick(INDEXES),
            "deletionPolicy": pick((None, "Delete", "Delete", "Retain", "DeleteIfEmpty")),
            "adoptionPolicy": pick(("Never", "IfIdentical")),
            "collectionName": pick((None, None, None, "a", "shared")),
            "binding": pick((None, None, {"secretName": "s"})),
            "milvus": _without_nothing(milvus) or None,
        }
        metadata = {"namespace": namespace, "name": pick(NAMES)}
        manifest = {"metadata": metadata, "spec": _without_nothing(spec)}
        self._server.create(ACTOR, VECTOR_COLLECTION, manifest)

    def _edit(self) -> None:
        found = self._some_object()
        if found is None:
            return
        before: Manifest = found["spec"].get("milvus", {})
        field = self._rng.choice(("load", "load", "properties", "properties"))
        value = self._rng.choice(LOADS) if field == "load" else self._some_properties()
        # A merge patch would leave what it does not name.
        changed = _without_nothing({**before, field: value})
        spec = {**found["spec"], "milvus": changed}
        self._server.replace(ACTOR, VECTOR_COLLECTION, {**found, "spec": _without_nothing(spec)})

    def _edit_what_is_fixed(self) -> None:
        found, pick = self._some_object(), self._rng.choice
        if found is not None:
            change = pick(
                (
                    {"database": pick((None, DATABASE, "db2"))},
                    {"shards": pick((1, 2))},
                    {"consistencyLevel": pick(("Strong", "Eventually"))},
                )
            )
            patch = {"spec": {"milvus": change}}
            self._server.patch(ACTOR, VECTOR_COLLECTION, Key.of(found), patch)

    def _delete(self) -> None:
        found = self._some_object()
        if found is not None:
            self._server.delete(ACTOR, VECTOR_COLLECTION, Key.of(found))

    def _some_properties(self) -> Manifest:
        pick = self._rng.choice
        return {key: pick(("60", "3600")) for key in PROPERTIES if self._rng.random() < 0.4}

    def _some_object(self) -> Manifest | None:
        found = [m for m in self._server.all(VECTOR_COLLECTION) if is_on_milvus(m)]
        return self._rng.choice(found) if found else None


def _without_nothing(manifest: Manifest) -> Manifest:
    return {key: value for key, value in manifest.items() if value not in (None, [], {})}
