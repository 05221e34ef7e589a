"""Milvus 2.3.5 with users, in the clear, over TLS and over mutual TLS, under an operator."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quiver.adapters.drivers import Drivers
from quiver.domain.access import Login, Target
from quiver.domain.engines import AUTH_SECRET_TYPE
from quiver.domain.kubernetes_types import SECRET, VECTOR_ENGINE, Manifest
from quiver.ports.engines import EngineClient
from support.admin_api import AdminApi
from support.certificates import OURS
from support.namespaces import Namespace
from support.operators import running
from support.secured_milvus import SHOWN, SecuredMilvus

USER, PASSWORD, NEXT = "quiver", "hush-hush", "hush-again"
TLS = {
    None: None,
    "server": {"caSecretName": "trusted"},
    "mutual": {"caSecretName": "trusted", "clientSecretName": "shown"},
}

Start = Callable[[str | None], SecuredMilvus]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server with a user that has no rights but those that Milvus gives everybody."""
    servers: list[SecuredMilvus] = []

    def started(tls: str | None) -> SecuredMilvus:
        server = SecuredMilvus(tmp_path / "milvus", tls)
        servers.append(server)
        return server.start()

    yield started
    for server in servers:
        server.kill()


async def publish(world: Namespace, name: str, type_: str, **entries: bytes) -> None:
    """Make a Secret; an underscore stands for the dot in the name of an entry."""
    data = {k.replace("_", "."): base64.b64encode(v).decode() for k, v in entries.items()}
    metadata = {"name": name, "namespace": world.namespace}
    manifest: Manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    await world.api.create(SECRET, {**manifest, "type": type_, "data": data})


async def publish_login(world: Namespace, username: str, password: str) -> None:
    if await world.find("login", SECRET) is not None:
        await world.delete("login", SECRET)
    entries = {"username": username.encode(), "password": password.encode()}
    await publish(world, "login", AUTH_SECRET_TYPE, **entries)


async def add_engine(world: Namespace, tls: Any) -> None:
    spec = {
        "type": "Milvus",
        "external": {"endpoints": [world.address]},
        "auth": {"secretName": "login"},
        **({"tls": tls} if tls else {}),
    }
    await world.create(VECTOR_ENGINE, "engine", spec)


def as_root(world: Namespace, server: SecuredMilvus) -> EngineClient:
    login = Login("root:Milvus")
    return world.engines.at(Target(world.address, "Milvus", server.client_tls, login=login))


@pytest.mark.parametrize("tls", TLS, ids=["clear", "tls", "mutual"])
async def test_a_collection_is_made_on_a_milvus_that_wants_a_login(
    namespace: str, api: AdminApi, operator_api: AdminApi, engines: Drivers, start: Start, tls: Any
) -> None:
    """A wrong password is told of. With the right one all goes on by itself, and the engine says
    its version. The collection goes with its object.
    """
    server = start(tls)
    world = Namespace(namespace, api, operator_api, engines, server.address)
    await publish(world, "trusted", "Opaque", ca_crt=OURS.pem)
    await publish(world, "shown", "kubernetes.io/tls", tls_crt=SHOWN.certificate, tls_key=SHOWN.key)
    await publish_login(world, "root", "not-this")
    await add_engine(world, TLS[tls])
    async with running(world.operator_api, world.engines, resync_period=2):
        await world.settled("engine", "CredentialsRefused", VECTOR_ENGINE)
        await world.create_collection("docs")
        await world.settled("docs", "CredentialsRefused")
        await publish_login(world, "root", "Milvus")
        found = await world.settled_engine()
        assert found["status"]["version"] == "v2.3.5-lite"
        await world.ready("docs")
        assert await as_root(world, server).list_collections() == {"docs"}
        await world.delete("docs")
        await world.gone("docs")
        assert await as_root(world, server).list_collections() == frozenset()


async def test_a_user_without_rights_is_told_what_it_lacks(
    namespace: str, api: AdminApi, operator_api: AdminApi, engines: Drivers, start: Start
) -> None:
    """It is let in, so the engine is Ready; its collection quotes what Milvus denies. A password
    that is changed in Milvus first and in the Secret then is taken up by itself.
    """
    server = start(None)
    server.add_user(USER, PASSWORD)
    world = Namespace(namespace, api, operator_api, engines, server.address)
    await publish_login(world, USER, PASSWORD)
    await add_engine(world, None)
    async with running(world.operator_api, world.engines, resync_period=2):
        await world.settled_engine()
        await world.create_collection("docs")
        await world.says("docs", "CredentialsRefused", "denies the call")
        server.change_password(USER, PASSWORD, NEXT)
        await world.settled("engine", "CredentialsRefused", VECTOR_ENGINE)
        await publish_login(world, USER, NEXT)
        await world.settled_engine()
