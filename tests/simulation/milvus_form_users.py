"""What people do with long forms: to objects, and to collections behind the operator's back."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import msgspec

from quiver.domain.conditions import ready_reason
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Manifest
from quiver.domain.milvus_fields import Field, FieldIndex
from quiver.ports.errors import ApiError, EngineError, EngineRefused
from simulation.api_server import ApiServer
from simulation.engines import Change, Fleet
from simulation.history import name_of
from simulation.milvus import ModelMilvus
from simulation.milvus_forms import converted, schema_of
from simulation.milvus_mischief import DATABASE, PROPERTIES
from simulation.milvus_schemas import ADDABLE, INDEXES, SchemaAuthor
from simulation.milvus_specs import MILVUS_ENGINES
from simulation.mischief import ACTOR, NAMES, NAMESPACES, TAGS
from simulation.weather import WORLD
from support.milvus_memory import MilvusCollection

VERSIONS = ("v2.4.23", "v2.5.10", "v2.6.4", "v2.6.18", "v3.0.0")
LATER = ("v2.6.18", "v2.6.18", "v3.0.0", "v3.0.0", "v3.0.0")
LOADS: tuple[Manifest | None, ...] = (None, None, None, {"enabled": False})
SOON_S = 8.0
THEIRS: Manifest = {"name": "theirs", "type": "Int32", "nullable": True}
"""A field that no spec has."""


class FormUsers:
    """Each method does one thing, to whatever the seed chooses."""

    def __init__(self, server: ApiServer, fleet: Fleet, rng: Random) -> None:
        self._server = server
        self._fleet = fleet
        self._rng = rng
        self._author = SchemaAuthor(rng)
        self._does = [do for do, weight in self._repertoire().items() for _ in range(weight)]

    def begin(self) -> None:
        """Have each server be of some version, and make what there is in the beginning."""
        for engine in self._engines():
            engine.told_version = self._rng.choice((*VERSIONS, *LATER))
        for _ in range(self._rng.randint(1, 3)):
            with suppress(ApiError):
                self._create()

    def act_soon(self) -> None:
        """Do one or two things within the next seconds; what is refused, is refused."""
        for _ in range(self._rng.choice((1, 2))):
            later = self._rng.uniform(0, SOON_S)
            asyncio.get_running_loop().call_later(later, self._act, context=WORLD)

    def _act(self) -> None:
        with suppress(ApiError, EngineError):
            self._rng.choice(self._does)()

    def _repertoire(self) -> dict[Callable[[], None], int]:
        """Return what there is to do, by how often it is done."""
        return {
            self._create: 10,
            self._grow: 40,
            self._breach: 2,
            self._revert: 6,
            self._hand_over: 3,
            self._delete: 2,
            self._upgrade: 3,
            self._take_index_behind: 5,
            self._set_index_behind: 4,
            self._lengthen_behind: 1,
            self._add_field_behind: 2,
        }

    # Objects

    def _create(self) -> None:
        pick = self._rng.choice
        schema = self._author.written()
        milvus: Manifest = {
            "schema": schema,
            "database": pick((None, None, None, DATABASE)),
            "load": pick(LOADS),
            "properties": {key: "60" for key in PROPERTIES if self._rng.random() < 0.2},
        }
        has_key = any(field.get("partitionKey") for field in schema["fields"])
        spec: Manifest = {
            "engineRef": {"name": pick(self._engine_names()), "namespace": "x"},
            "partitions": [] if has_key else [tag for tag in TAGS if self._rng.random() < 0.1],
            "deletionPolicy": pick((None, "Delete", "Delete", "Retain")),
            "adoptionPolicy": pick(("Never", "IfIdentical")),
            "collectionName": pick((None, None, None, "a", "shared")),
            "milvus": _without_nothing(milvus),
        }
        self._make(pick(NAMESPACES), spec)

    def _hand_over(self) -> None:
        """Ask for the collection of another object, which is let go or not, as it is or larger."""
        found = self._some_object(of="Available")
        if found is None:
            return
        schema = found["spec"]["milvus"]["schema"]
        changed = self._author.grown(schema) if self._rng.random() < 0.5 else schema
        spec = {
            **found["spec"],
            "collectionName": name_of(found).rpartition("/")[2],
            "adoptionPolicy": "IfIdentical",
            "milvus": {**found["spec"]["milvus"], "schema": changed},
        }
        if self._rng.random() < 0.7:
            retained = {"spec": {"deletionPolicy": "Retain"}}
            self._server.patch(ACTOR, VECTOR_COLLECTION, Key.of(found), retained)
            self._server.delete(ACTOR, VECTOR_COLLECTION, Key.of(found))
        self._make(found["metadata"]["namespace"], spec)

    def _delete(self) -> None:
        found = self._some_object()
        if found is not None:
            self._server.delete(ACTOR, VECTOR_COLLECTION, Key.of(found))

    def _grow(self) -> None:
        self._change_schema(self._author.grown)

    def _breach(self) -> None:
        self._change_schema(self._author.breached)

    def _revert(self) -> None:
        """Have an object grow, and a while later be as it was, as who finds that the server is too
        old for it. What the server has taken meanwhile stays.
        """
        found = self._some_object(of="Available")
        if found is None:
            return
        before = found["spec"]["milvus"]["schema"]
        self._replace_schema(found, self._author.grown(before))

        def revert() -> None:
            with suppress(ApiError):
                now = self._server.get(VECTOR_COLLECTION, Key.of(found))
                if now["metadata"]["uid"] == found["metadata"]["uid"]:
                    self._replace_schema(now, before)

        later = self._rng.uniform(0, SOON_S)
        asyncio.get_running_loop().call_later(later, revert, context=WORLD)

    def _make(self, namespace: str, spec: Manifest) -> None:
        metadata = {"namespace": namespace, "name": self._rng.choice(NAMES)}
        manifest = {"metadata": metadata, "spec": _without_nothing(spec)}
        self._server.create(ACTOR, VECTOR_COLLECTION, manifest)

    def _change_schema(self, change: Callable[[Manifest], Manifest]) -> None:
        found = self._some_object(of="Available")
        if found is not None:
            self._replace_schema(found, change(found["spec"]["milvus"]["schema"]))

    def _replace_schema(self, found: Manifest, schema: Manifest) -> None:
        spec = {**found["spec"], "milvus": {**found["spec"]["milvus"], "schema": schema}}
        self._server.replace(ACTOR, VECTOR_COLLECTION, {**found, "spec": spec})

    # Servers

    def _upgrade(self) -> None:
        """Have a server be of a later version; it comes up anew."""
        engine = self._rng.choice(self._engines())
        later = self._rng.choice(VERSIONS)
        engine.told_version = max(engine.told_version, later, key=VERSIONS.index)
        engine.restarted()

    # Collections, behind the operator's back

    def _take_index_behind(self) -> None:
        address, found = self._some_collection()
        if found.indexes:
            field = self._rng.choice(sorted(found.indexes))
            self._change(address, found, "drop_index", field, lambda e, n: e.take_index(n, field))

    def _set_index_behind(self) -> None:
        address, found = self._some_collection()
        fields = [field for field in found.form.fields if field.type in INDEXES]
        if fields:
            field = self._rng.choice(fields)
            index = self._some_index(field)
            self._change(
                address,
                found,
                "create_index",
                field.name,
                lambda engine, name: engine.set_field_index(name, index),
            )

    def _lengthen_behind(self) -> None:
        address, found = self._some_collection()
        texts = [field for field in found.form.fields if field.type == "VarChar"]
        if texts:
            field = self._rng.choice(texts)
            length = {"max_length": str(2 * (field.max_length or 1))}
            self._change(
                address,
                found,
                "alter_field",
                field.name,
                lambda engine, name: engine.alter_field(name, field.name, length),
            )

    def _add_field_behind(self) -> None:
        """A client adds a field that the spec may come to have as well, or one of its own."""
        address, found = self._some_collection()
        new = converted(self._rng.choice((*ADDABLE, *ADDABLE, THEIRS)))
        self._change(address, found, "add_field", new.name, lambda e, n: e.add_field(n, new))

    def _change(
        self,
        address: str,
        found: MilvusCollection,
        call: str,
        field: str,
        do: Callable[[ModelMilvus, str], None],
    ) -> None:
        name = found.schema.name
        change = Change(0.0, ACTOR, self._fleet.homes[address], call, name, field)

        def doing(engine: Any) -> None:
            do(engine, name)

        self._fleet.change(change, doing, address)

    def _some_collection(self) -> tuple[str, MilvusCollection]:
        """Return a collection of one of the users' long forms, and where it is. Raises:
        EngineRefused if there is none.
        """
        servers = self._fleet.servers.items()
        places = [
            (address, found)
            for address, server in servers
            for found in server.engine.collections.values()
            if isinstance(found, MilvusCollection) and found.form.find("dense") is not None
        ]
        if not places:
            raise EngineRefused("NOTHING", "there is no collection of a long form")
        return self._rng.choice(places)

    def _some_index(self, field: Field) -> FieldIndex:
        chosen = self._rng.choice(INDEXES[field.type])
        return msgspec.convert({"field": field.name, **chosen}, FieldIndex)

    # Choices

    def _engines(self) -> list[ModelMilvus]:
        servers = self._fleet.servers.values()
        return [s.engine for s in servers if isinstance(s.engine, ModelMilvus)]

    def _engine_names(self) -> list[str]:
        """Return the names of the engines that there are."""
        names = [m["metadata"]["name"] for m in self._server.all(VECTOR_ENGINE)]
        return [name for name in names if name in MILVUS_ENGINES] or list(MILVUS_ENGINES)

    def _some_object(self, of: str = "") -> Manifest | None:
        """Return an object; most often one that gives this reason, if there is one."""
        found = [m for m in self._server.all(VECTOR_COLLECTION) if schema_of(m) is not None]
        fitting = [m for m in found if ready_reason(m) == of]
        if fitting and self._rng.random() < 0.8:
            return self._rng.choice(fitting)
        return self._rng.choice(found) if found else None


def _without_nothing(manifest: Manifest) -> Manifest:
    return {key: value for key, value in manifest.items() if value not in (None, [], {})}
