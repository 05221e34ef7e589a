"""What people do behind the operator's back: to engines, pods, Secrets and namespaces."""

import base64
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from quiver.control.claim_keys import SECRET_NAME
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.indexes import Index
from quiver.domain.kubernetes_types import (
    NAMESPACE,
    POD,
    POD_DISRUPTION_BUDGET,
    SECRET,
    Key,
    Kind,
    Manifest,
)
from quiver.domain.members import GRPC_PORT
from simulation.api_server import ApiServer
from simulation.engines import Change, Fleet, Server
from simulation.safety import Safety

ACTOR = "user"
NAMESPACES = ("x", "y")
NAMES = ("a", "b", "c", "d")
HOSTS = {"e1.example": "192.0.2.1", "e2.example": "192.0.2.2", "also-e1.example": "192.0.2.1"}
ENDPOINTS = ("e1.example:19530", "e2.example:19530")
ALIAS = "also-e1.example:19530"
TAGS = ("p", "q", "r")
SYSTEM = "quiver-system"


class Mischief:
    """Each method does one thing, to whatever the seed chooses."""

    def __init__(self, server: ApiServer, fleet: Fleet, safety: Safety, rng: Random) -> None:
        self._server = server
        self._fleet = fleet
        self._safety = safety
        self._rng = rng

    def repertoire(self) -> dict[Callable[[], None], int]:
        """Return what there is to do, by how often it is done."""
        return {
            self._make_foreign: 3,
            self._drop_behind: 3,
            self._swap_behind: 3,
            self._change_index_behind: 1,
            self._drop_partition_behind: 2,
            self._insert: 3,
            self._empty: 2,
            self._stall: 4,
            self._restart_server: 3,
            self._lose_pod: 2,
            self._unready_pod: 2,
            self._let_pods_go: 1,
            self._make_secret: 1,
            self._remove_secret: 1,
            self._turn_key: 1,
            self._move_name: 2,
            self._remove_namespace: 1,
        }

    def end(self) -> None:
        """Have all servers run, and all pods be ready."""
        for server in self._fleet.servers.values():
            server.engine.up, server.free_at = True, 0.0
        for pod in self._server.all(POD):
            if "podIP" in pod.get("status", {}):
                self._say_ready(pod, "True")

    # Engines as servers

    def _make_foreign(self) -> None:
        name = self._rng.choice((*NAMES, "shared"))
        schema = CollectionSchema(
            name=name,
            dimension=self._rng.choice((8, 16)),
            index_file_size=1024,
            metric_type="L2",
        )
        self._change("create", name, schema)

    def _drop_behind(self) -> None:
        self._change("drop", self._some_name(), None)

    def _swap_behind(self) -> None:
        """Drop a collection and make another of the name, of other vectors."""
        engine = self._some_server().engine
        name = self._some_name()
        if name not in engine.collections:
            return
        schema = engine.collections[name].schema
        address = next(a for a, s in self._fleet.servers.items() if s.engine is engine)
        self._change("drop", name, None, address)
        self._change("create", name, _of_other_vectors(schema), address)

    def _change_index_behind(self) -> None:
        index = self._rng.choice((None, Index(type="IVF_FLAT", params={"nlist": 8})))
        self._change("set_index", self._some_name(), index)

    def _drop_partition_behind(self) -> None:
        self._change("drop_partition", self._some_name(), self._rng.choice(TAGS))

    def _change(self, call: str, name: str, detail: Any, address: str | None = None) -> None:
        address = address or self._some_address()
        server = self._fleet.servers[address]
        arguments = {"create": (detail,), "drop": (name,)}.get(call, (name, detail))
        change = Change(0.0, ACTOR, server.home, call, name, detail)
        self._fleet.change(change, lambda engine: getattr(engine, call)(*arguments), address)

    def _insert(self) -> None:
        server = self._some_server()
        found = server.engine.collections.get(self._some_name())
        if found is not None:
            tag = self._rng.choice(list(found.rows))
            found.rows[tag] += 7
            self._safety.filled(server.home, found.schema.name)

    def _empty(self) -> None:
        for collection in self._some_server().engine.collections.values():
            for tag in collection.rows:
                collection.rows[tag] = 0

    def _stall(self) -> None:
        server = self._some_server()
        server.free_at = max(server.free_at, self._server.now) + self._rng.choice((2.0, 8.0, 45.0))

    def _restart_server(self) -> None:
        """An endpoint's server comes or goes; sometimes it has lost all that it held."""
        server = self._some_server()
        if server.home.namespace:
            return
        server.engine.up = not server.engine.up
        is_empty = self._rng.random() < 0.3
        server.engine.restarted(is_empty=is_empty)
        if is_empty and server.engine.instance is not None and self._rng.random() < 0.5:
            self._fleet.renew(server)

    def _move_name(self) -> None:
        """A name leads elsewhere from now on: its server has moved, or its owner has designs."""
        host = self._rng.choice(("e2.example", "also-e1.example"))
        self._fleet.move(host, self._rng.choice(("192.0.2.1", "192.0.2.2")))

    def _lose_pod(self) -> None:
        found = self._some(POD)
        if found is not None:
            self._server.delete(ACTOR, POD, Key.of(found))

    def _unready_pod(self) -> None:
        found = self._some(POD)
        if found is not None and "podIP" in found.get("status", {}):
            address = f"{found['status']['podIP']}:{GRPC_PORT}"
            server = self._fleet.servers.get(address)
            if server is not None:
                server.engine.up = not server.engine.up
                self._say_ready(found, str(server.engine.up))

    def _let_pods_go(self) -> None:
        """Delete the budget that keeps an engine's pods from being evicted, or widen it."""
        found = self._some(POD_DISRUPTION_BUDGET)
        if found is None:
            return
        if self._rng.random() < 0.5:
            self._server.delete(ACTOR, POD_DISRUPTION_BUDGET, Key.of(found))
        else:
            wider = {"spec": {"maxUnavailable": 1}}
            self._server.patch(ACTOR, POD_DISRUPTION_BUDGET, Key.of(found), wider)

    def _say_ready(self, pod: Manifest, status: str) -> None:
        conditions = [{"type": "Ready", "status": status}]
        patch = {"status": {"conditions": conditions}}
        self._server.patch(ACTOR, POD, Key.of(pod), patch, "status")

    # Other things

    def _make_secret(self) -> None:
        manifest = {
            "metadata": {
                "namespace": self._rng.choice(NAMESPACES),
                "name": self._rng.choice(("s", "t")),
            },
            "data": {"theirs": "eA=="},
        }
        self._server.create(ACTOR, SECRET, manifest)

    def _remove_secret(self) -> None:
        found = self._some(SECRET)
        if found is not None and found["metadata"]["name"] != SECRET_NAME:
            self._server.delete(ACTOR, SECRET, Key.of(found))

    def _turn_key(self) -> None:
        """Sign claims with another key from now on, and believe the one before it meanwhile."""
        key = Key(SYSTEM, SECRET_NAME)
        found = self._server.find(SECRET, key)
        # Not twice: what the key before the last has signed may be under way.
        if found is not None and "previous" not in found["data"]:
            new = base64.b64encode(self._rng.randbytes(32)).decode()
            data = {"current": new, "previous": found["data"]["current"]}
            self._server.patch(ACTOR, SECRET, key, {"data": data})

    def _remove_namespace(self) -> None:
        name = self._rng.choice(NAMESPACES)
        if self._server.find(NAMESPACE, Key("", name)) is None:
            self.make_namespace(name)
        elif self._rng.random() < 0.3:
            self._server.delete(ACTOR, NAMESPACE, Key("", name))

    def make_namespace(self, name: str) -> None:
        manifest = {"metadata": {"name": name, "finalizers": ["kubernetes"]}}
        self._server.create(ACTOR, NAMESPACE, manifest)

    # Choices

    def _some(self, kind: Kind) -> Manifest | None:
        found = list(self._server.all(kind))
        return self._rng.choice(found) if found else None

    def _some_address(self) -> str:
        return self._rng.choice(list(self._fleet.servers))

    def _some_server(self) -> Server:
        return self._fleet.servers[self._some_address()]

    def _some_name(self) -> str:
        names = [n for s in self._fleet.servers.values() for n in s.engine.collections]
        return self._rng.choice(names) if names else "a"


def _of_other_vectors(schema: CollectionSchema) -> CollectionSchema:
    """Return the schema with 8 numbers a vector in place of 16, and the other way round."""
    if schema.form is None:
        return msgspec.structs.replace(schema, dimension=24 - schema.dimension)
    fields = [
        field
        if field.dimension is None
        else msgspec.structs.replace(field, dimension=24 - field.dimension)
        for field in schema.form.fields
    ]
    form = msgspec.structs.replace(schema.form, fields=tuple(fields))
    dimension = 24 - schema.dimension if schema.dimension else 0
    return msgspec.structs.replace(schema, dimension=dimension, form=form)
