"""What people do behind the operator's back to servers of Milvus."""

import asyncio
import base64
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.kubernetes_types import SECRET, Key, Manifest
from quiver.ports.errors import ApiError
from simulation.api_server import ApiServer
from simulation.engines import Change, Fleet
from simulation.milvus import ModelMilvus
from simulation.milvus_specs import ANOTHER, OWNER
from simulation.mischief import ACTOR, NAMES
from simulation.safety import Safety
from simulation.weather import WORLD
from support.milvus_codes import NOT_READY, QUOTA, RATE_LIMIT, refused

HOSTS = {"m1.example": "192.0.2.8", "m2.example": "192.0.2.9", "also-m1.example": "192.0.2.8"}
ENDPOINTS = ("m1.example:19530", "m2.example:19530")
ALIAS = "also-m1.example:19530"
DATABASE = "db1"
LOGIN = "login"
PROPERTIES = ("collection.ttl.seconds", "team")
THEIRS = "their.own"


class MilvusMischief:
    """Each method does one thing, to whatever the seed chooses."""

    def __init__(self, server: ApiServer, fleet: Fleet, safety: Safety, rng: Random) -> None:
        self._server = server
        self._fleet = fleet
        self._rng = rng
        self._safety = safety
        self.has_login = rng.random() < 0.3
        self._number = 0

    def begin(self) -> None:
        """Start the servers."""
        self._fleet.names.update(HOSTS)
        for endpoint in ENDPOINTS:
            home = self._fleet.server_behind(endpoint)
            self._fleet.start(home.name, home, self._new_server(), tells=False)
        if self.has_login:
            self._log_in()

    def end(self) -> None:
        """Put right what operators cannot."""
        for engine in self._engines():
            engine.accept()
            engine.fail_loads(None)
            engine.fail_builds(None)
            engine.breaks = 0.0
        if self.has_login:
            with suppress(ApiError):  # its namespace is gone
                self._log_in()

    def repertoire(self) -> dict[Callable[[], None], int]:
        """Return what there is to do, by how often it is done."""
        return {
            self._release_behind: 4,
            self._load_behind: 2,
            self._alter_behind: 5,
            self._mark_behind: 4,
            self._make_marked: 1,
            self._name_behind: 4,
            self._take_index_behind: 3,
            self._insert: 4,
            self._make_database: 1,
            self._remove_database: 1,
            self._lack_memory: 2,
            self._spoil_builds: 1,
            self._refuse_all: 2,
            self._restart: 3,
            self._update_server: 1,
            **({self._turn_login: 2} if self.has_login else {}),
        }

    def _new_server(self) -> ModelMilvus:
        engine = ModelMilvus(lambda: self._server.now, self._rng)
        engine.login = self._token if self.has_login else None
        if self._rng.random() < 0.5:
            engine.databases.add(DATABASE)
        return engine

    # Collections, behind the operator's back

    def _release_behind(self) -> None:
        self._change("release", None, lambda engine, name: engine.release(name))

    def _load_behind(self) -> None:
        copies = self._rng.choice((1, 2))
        self._change("load", copies, lambda engine, name: engine.load(name, copies))

    def _insert(self) -> None:
        place = self._some_place()
        if place is not None:
            address, name = place
            server = self._fleet.servers[address]
            server.engine.insert(name, 7)
            self._safety.filled(server.home, name)

    def _alter_behind(self) -> None:
        """Change or delete a property that a spec may name, or set one of the client's own."""
        key = self._rng.choice((*PROPERTIES, THEIRS))
        changed = {key: "7"} if key == THEIRS or self._rng.random() < 0.5 else {}
        deleted = [] if changed else [key]

        def alter(engine: ModelMilvus, name: str) -> None:
            if key == THEIRS or key in engine.found(name).properties:
                engine.alter_properties(name, changed, deleted)

        self._change("alter_properties", {**changed, **dict.fromkeys(deleted)}, alter)

    def _mark_behind(self) -> None:
        """Another installation of Quiver takes a collection, or somebody wipes the mark."""
        changed = {OWNER: ANOTHER} if self._rng.random() < 0.5 else {}
        deleted = [] if changed else [OWNER]
        self._change(
            "alter_properties",
            {**changed, **dict.fromkeys(deleted)},
            lambda engine, name: engine.alter_properties(name, changed, deleted),
        )

    def _make_marked(self) -> None:
        """Another installation of Quiver makes a collection."""
        name = self._rng.choice((*NAMES, "shared"))
        schema = CollectionSchema(name=name, dimension=8, metric_type="L2")
        mark = {OWNER: ANOTHER}
        self._change("create", schema, lambda engine, _: engine.create(schema, mark), name)

    def _name_behind(self) -> None:
        """Give a collection an alias; it may be a name that an object asks for."""
        alias = self._rng.choice((*NAMES, "alias"))

        def give(engine: ModelMilvus, name: str) -> None:
            if engine.describe(alias) is None and "/" not in name:
                engine.found(name).aliases.add(alias)

        self._change("create_alias", alias, give)

    def _take_index_behind(self) -> None:
        def take(engine: ModelMilvus, name: str) -> None:
            engine.take_index(name)

        self._change("drop_index", None, take)

    # Servers

    def _make_database(self) -> None:
        engine = self._some_engine()
        if DATABASE not in engine.databases:
            engine.create_database(DATABASE)

    def _remove_database(self) -> None:
        """A database goes only when it is empty."""
        engine = self._some_engine()
        if not any(name.startswith(f"{DATABASE}/") for name in engine.collections):
            engine.databases.discard(DATABASE)

    def _lack_memory(self) -> None:
        why = self._rng.choice((None, "insufficient memory: predict 9 GB, limit 8 GB"))
        self._some_engine().fail_loads(why)

    def _spoil_builds(self) -> None:
        """Indexes fail, of collections that hold rows, or can be built again."""
        self._some_engine().fail_builds(self._rng.choice((None, "no space left on device")))

    def _refuse_all(self) -> None:
        """A server has no time, or no room, for a while."""
        code, reason = self._rng.choice(
            (
                (RATE_LIMIT, "request is rejected by limiter"),
                (NOT_READY, "service not ready"),
                (QUOTA, "memory quota exceeded"),
            )
        )
        engine, seconds = self._some_engine(), self._rng.choice((1.0, 10.0, 40.0))
        engine.refuse(refused(code, reason))
        asyncio.get_running_loop().call_later(seconds, engine.accept, context=WORLD)

    def _restart(self) -> None:
        """A server comes up anew, sometimes without its data."""
        engine = self._some_engine()
        engine.restarted(is_empty=self._rng.random() < 0.1)
        engine.up = True

    def _update_server(self) -> None:
        self._some_engine().told_version = self._rng.choice(("v2.4.23", "v2.6.4", "v3.0.0"))

    def _turn_login(self) -> None:
        """Change the password on the servers; the Secret follows, or has to wait."""
        self._number += 1
        for engine in self._engines():
            engine.login = self._token
        if self._rng.random() < 0.7:
            self._log_in()

    @property
    def _token(self) -> str:
        return f"root:{self._number}"

    def _log_in(self) -> None:
        """Say in the Secret what the servers want to be told."""
        for engine in self._engines():
            engine.login = self._token
        secret = self._secret()
        if self._server.find(SECRET, Key.of(secret)) is None:
            self._server.create(ACTOR, SECRET, secret)
        else:
            self._server.patch(ACTOR, SECRET, Key.of(secret), {"data": secret["data"]})

    def _secret(self) -> Manifest:
        return {
            "metadata": {"namespace": "x", "name": LOGIN},
            "type": "quiver.dev/engine-auth",
            "data": {"token": base64.b64encode(self._token.encode()).decode()},
        }

    # Choices

    def _change(
        self, call: str, detail: Any, do: Callable[[Any, str], None], name: str | None = None
    ) -> None:
        place = self._some_place(name)
        if place is None:
            return
        address, chosen = place
        change = Change(0.0, ACTOR, self._fleet.homes[address], call, chosen, detail)
        self._fleet.change(change, lambda engine: do(engine, chosen), address)

    def _some_place(self, name: str | None = None) -> tuple[str, str] | None:
        """Return the address of a server and a collection there, or one of the name."""
        addresses = [self._fleet.server_behind(e).name for e in ENDPOINTS]
        servers = self._fleet.servers
        there = [(a, held) for a in addresses for held in servers[a].engine.collections]
        places = there if name is None else [(a, name) for a in addresses]
        return self._rng.choice(places) if places else None

    def _engines(self) -> list[ModelMilvus]:
        servers = self._fleet.servers.values()
        return [s.engine for s in servers if isinstance(s.engine, ModelMilvus)]

    def _some_engine(self) -> ModelMilvus:
        return self._rng.choice(self._engines())
