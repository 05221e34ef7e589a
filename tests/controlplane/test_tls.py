"""An operator that reaches engines over TLS, with what Secrets hold."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcluster.certificates import KeyPair
from machine.engine_process import EngineProcess
from quiver.adapters.drivers import Drivers
from quiver.domain.access import ClientTls, Target
from quiver.domain.kubernetes_types import SECRET, VECTOR_ENGINE, Manifest
from support.admin_api import AdminApi
from support.certificates import OTHER, OURS, SecretFolder, server_pair
from support.namespaces import Namespace, ready_condition, types
from support.operators import running
from support.waiting import eventually

SHOWN = OURS.client("quiver")


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine that lets in only clients with certificates."""
    secret, pair = SecretFolder(tmp_path / "tls"), server_pair()
    secret.publish(pair.certificate, pair.key)
    engine = EngineProcess(tmp_path / "secured")
    yield engine.start(*secret.mutual_options)
    engine.kill()


@pytest.fixture
async def tls_world(
    namespace: str,
    api: AdminApi,
    operator_api: AdminApi,
    engines: Drivers,
    secured: EngineProcess,
) -> Namespace:
    """A namespace whose VectorEngine `engine` points to the secured engine; its Secrets are yet to
    be made.
    """
    world = Namespace(namespace, api, operator_api, engines, secured.grpc_address)
    tls = {"caSecretName": "trusted", "clientSecretName": "shown"}
    spec = {"external": {"endpoints": [world.address]}, "tls": tls}
    await world.create(VECTOR_ENGINE, "engine", spec)
    return world


async def publish(world: Namespace, name: str, type_: str = "Opaque", **entries: bytes) -> None:
    """Make or replace a Secret; an underscore stands for the dot in the name of an entry."""
    data = {k.replace("_", "."): base64.b64encode(v).decode() for k, v in entries.items()}
    if await world.find(name, SECRET) is not None:
        await world.patch(name, {"data": data}, SECRET)
        return
    metadata = {"name": name, "namespace": world.namespace}
    manifest: Manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    await world.api.create(SECRET, {**manifest, "type": type_, "data": data})


async def publish_pair(world: Namespace, name: str, pair: KeyPair) -> None:
    await publish(world, name, "kubernetes.io/tls", tls_crt=pair.certificate, tls_key=pair.key)


async def entries(world: Namespace, name: str) -> dict[str, str]:
    secret = await world.get(name, SECRET)
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


async def told(world: Namespace, reason: str, *words: str) -> Manifest:
    return await world.says("engine", reason, *words, kind=VECTOR_ENGINE)


def look() -> dict[str, Any]:
    """A period after which Secrets are read again, for tests that change them."""
    return {"resync_period": 1}


async def test_a_collection_is_made_over_tls(tls_world: Namespace) -> None:
    """The engine is dialled with CA and certificate of the Secrets; the binding tells of TLS and
    the CA, and the collection goes as any other.
    """
    world = tls_world
    await publish(world, "trusted", ca_crt=OURS.pem + SHOWN.key)
    await publish_pair(world, "shown", SHOWN)
    async with running(world.operator_api, world.engines):
        await world.settled_engine()
        await world.create_collection("docs", binding={"secretName": "docs-binding"})
        (ready,) = await world.ready("docs")
        assert ready["status"]["placement"]["endpoint"] == world.address
        published = await entries(world, "docs-binding")
        assert (published["tls"], published["ca.crt"]) == ("true", OURS.pem.decode())
        tls = ClientTls(OURS.pem, SHOWN.certificate, SHOWN.key)
        engine = world.engines.at(Target(world.address, "Quiver", tls))
        assert await engine.list_collections() == {"docs"}
        await world.delete("docs")
        await world.gone("docs")
        assert await engine.list_collections() == frozenset()


async def test_missing_and_broken_secrets_are_told_of_until_they_are_well(
    tls_world: Namespace, caplog: pytest.LogCaptureFixture
) -> None:
    """Engine and collections say which Secret and what is wrong; once it is well, all goes on.
    Nothing that is secret is logged or written to a status.
    """
    world = tls_world
    await publish(world, "trusted", ca_crt=OURS.pem)
    async with running(world.operator_api, world.engines, **look()):
        waiting = await told(world, "SecretNotFound", "'shown'", "spec.tls.clientSecretName")
        assert types(waiting) == {"Ready", "Reconciling"}
        await world.create_collection("docs")
        await world.says("docs", "EngineNotReady", "There is no Secret 'shown'")
        wrong = KeyPair(SHOWN.certificate, OURS.client("other").key)
        await publish_pair(world, "shown", wrong)
        stalled = await told(world, "SecretInvalid", "'shown'", "not the certificate's")
        assert types(stalled) == {"Ready", "Stalled"}

        async def passed_on() -> bool:
            return "not the certificate's" in ready_condition(await world.get("docs"))["message"]

        await eventually(passed_on, "the collection says what is wrong with the Secret")
        waiting = await world.get("docs")
        await publish_pair(world, "shown", SHOWN)
        await world.settled_engine()
        await world.ready("docs")
    written = f"{waiting}{stalled}{caplog.text}"
    assert "PRIVATE KEY" not in written
    assert "BEGIN CERTIFICATE" not in written


async def test_a_ca_that_is_not_the_engines_is_told_of(tls_world: Namespace) -> None:
    """The engine is not trusted, says so, and is once the Secret has the right CA; bindings get
    the new one.
    """
    world = tls_world
    await publish(world, "trusted", ca_crt=OTHER.pem)
    await publish_pair(world, "shown", SHOWN)
    async with running(world.operator_api, world.engines, **look()):
        await told(world, "EngineUnreachable", "of no CA that is trusted")
        await world.create_collection("docs", binding={"secretName": "docs"})
        await world.says("docs", "EngineUnreachable", "of no CA that is trusted")
        await publish(world, "trusted", ca_crt=OURS.pem)
        await world.ready("docs")
        assert (await entries(world, "docs"))["ca.crt"] == OURS.pem.decode()
        both = OURS.pem + OTHER.pem
        await publish(world, "trusted", ca_crt=both)

        async def passed_on() -> bool:
            return (await entries(world, "docs"))["ca.crt"] == both.decode()

        await eventually(passed_on, "the binding holds both CAs")


async def test_a_wrong_way_to_dial_is_in_nobody_elses_way(tls_world: Namespace) -> None:
    """Another VectorEngine of the same endpoint that dials it in the clear does not answer, and
    the first one goes on.
    """
    world = tls_world
    await publish(world, "trusted", ca_crt=OURS.pem)
    await publish_pair(world, "shown", SHOWN)
    async with running(world.operator_api, world.engines):
        await world.create(VECTOR_ENGINE, "wrong", {"external": {"endpoints": [world.address]}})
        await world.settled("wrong", "EngineUnreachable", VECTOR_ENGINE)
        await world.settled_engine()
        await world.create_collection("docs")
        await world.ready("docs")


async def test_a_binding_forgets_tls_with_its_engine(
    tls_world: Namespace, secured: EngineProcess
) -> None:
    """When TLS is turned off, the entries about it go; others that somebody added stay."""
    world = tls_world
    await publish(world, "trusted", ca_crt=OURS.pem)
    await publish_pair(world, "shown", SHOWN)
    async with running(world.operator_api, world.engines, **look()):
        await world.create_collection("docs", binding={"secretName": "docs"})
        await world.ready("docs")
        await publish(world, "docs", note=b"theirs")
        secured.kill()
        secured.start()
        await world.patch("engine", {"spec": {"tls": None}}, VECTOR_ENGINE)

        async def forgotten() -> bool:
            return "tls" not in await entries(world, "docs")

        await eventually(forgotten, "the binding does not tell of TLS any more")
    found = await entries(world, "docs")
    assert set(found) == {"type", "provider", "host", "port", "collection", "note"}
