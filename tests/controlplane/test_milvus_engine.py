"""An engine of type Milvus at an endpoint: version, login, TLS, and what it says when it is not let
in.
"""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from quiver.adapters.drivers import Drivers
from quiver.domain.engines import AUTH_SECRET_TYPE
from quiver.domain.kubernetes_types import EVENT, SECRET, VECTOR_ENGINE, Manifest
from support.admin_api import AdminApi
from support.certificates import OTHER, OURS
from support.namespaces import Namespace, types
from support.operators import running
from support.stub_milvus import StubMilvus
from support.waiting import eventually

USER, PASSWORD = "quiver", "hush-hush"
LOGIN = f"{USER}:{PASSWORD}"
ANOTHER = "not-this"
KEY = "0123-api-key"
AUTH = {"auth": {"secretName": "login"}}
LOOK: dict[str, Any] = {"resync_period": 1}

Place = Callable[[StubMilvus], Namespace]


@pytest.fixture
def place(namespace: str, api: AdminApi, operator_api: AdminApi, engines: Drivers) -> Place:
    """Returns the namespace with the address of a server."""
    return lambda server: Namespace(namespace, api, operator_api, engines, server.address)


async def add_engine(world: Namespace, **spec: Any) -> None:
    external = {"endpoints": [world.address]}
    await world.create(VECTOR_ENGINE, "engine", {"type": "Milvus", "external": external, **spec})


async def publish(
    world: Namespace, name: str, type_: str = AUTH_SECRET_TYPE, **entries: str
) -> None:
    """Make or replace a Secret; an underscore stands for the dot in the name of an entry."""
    data = {k.replace("_", "."): base64.b64encode(v.encode()).decode() for k, v in entries.items()}
    if await world.find(name, SECRET) is not None:
        await world.patch(name, {"data": data}, SECRET)
        return
    metadata = {"name": name, "namespace": world.namespace}
    manifest: Manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    await world.api.create(SECRET, {**manifest, "type": type_, "data": data})


async def told(world: Namespace, reason: str, *words: str) -> Manifest:
    return await world.says("engine", reason, *words, kind=VECTOR_ENGINE)


async def versioned(world: Namespace, version: str) -> Manifest:
    async def holds() -> Manifest | None:
        found = await world.get("engine", VECTOR_ENGINE)
        return found if found["status"].get("version") == version else None

    found: Manifest = await eventually(holds, f"the engine has version {version!r}")
    return found


async def test_an_engine_says_which_version_it_is(place: Place) -> None:
    """As the server says it, in one short line; a new version is noted at the next resync."""
    async with StubMilvus() as server:
        world = place(server)
        async with running(world.operator_api, world.engines, **LOOK):
            await add_engine(world)
            await world.settled_engine()
            found = await versioned(world, "v2.6.4")
            assert types(found) == {"Ready"}
            server.version = "v3.0.0 \n" + "x" * 5000
            await versioned(world, "v3.0.0 " + "x" * 56 + "…")
    assert server.shown == []


async def test_a_wrong_password_is_told_of_until_it_is_right(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """Engine and collections say that they are not let in. Once the Secret is right, all goes on by
    itself. Neither password is logged or written anywhere.
    """
    async with StubMilvus(login=LOGIN) as server:
        world = place(server)
        await publish(world, "login", username=USER, password=ANOTHER)
        await add_engine(world, **AUTH)
        async with running(world.operator_api, world.engines):
            refused = await told(world, "CredentialsRefused", "'login'", "Correct the Secret")
            assert types(refused) == {"Ready", "Stalled", "CredentialsInClear"}
            await world.create_collection("docs")
            waiting = await world.says("docs", "CredentialsRefused", "Quiver is not let in")
            assert types(waiting) == {"Ready", "Stalled"}
            await publish(world, "login", username=USER, password=PASSWORD)
            served = await world.settled_engine()
            await world.settled("docs", "EngineRefused")
        events = (await world.api.list(EVENT, namespace=world.namespace)).items
    assert set(server.shown) == {LOGIN, f"{USER}:{ANOTHER}"}
    written = f"{refused}{waiting}{served}{events}{caplog.text}"
    assert [word for word in (PASSWORD, ANOTHER, encoded(LOGIN)) if word in written] == []


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_a_password_that_is_changed_in_the_server_is_noticed_at_the_next_call(
    place: Place,
) -> None:
    """Not at the next resync, which is far away: the engine's Secret is read again at once, and
    then less and less until it is right.
    """
    async with StubMilvus(login=LOGIN) as server:
        world = place(server)
        await publish(world, "login", username=USER, password=PASSWORD)
        await add_engine(world, **AUTH)
        async with running(world.operator_api, world.engines):
            await world.settled_engine()
            server.login = f"{USER}:{ANOTHER}"
            await world.create_collection("docs")
            await world.settled("docs", "CredentialsRefused")
            await told(world, "CredentialsRefused")
            await publish(world, "login", username=USER, password=ANOTHER)
            await world.settled_engine()
            await world.settled("docs", "EngineRefused")


async def test_a_password_that_was_changed_in_both_places_is_never_missed(place: Place) -> None:
    """The refused call has the Secret read again, and nothing else waits for a resync."""
    async with StubMilvus(login=LOGIN) as server:
        world = place(server)
        await publish(world, "login", username=USER, password=PASSWORD)
        await add_engine(world, **AUTH)
        async with running(world.operator_api, world.engines):
            await world.settled_engine()
            await publish(world, "login", username=USER, password=ANOTHER)
            server.login = f"{USER}:{ANOTHER}"
            await world.create_collection("docs")
            await world.settled("docs", "EngineRefused")
            await world.settled_engine()


async def test_an_engine_that_wants_a_login_gets_one(place: Place) -> None:
    """What was never given says how it is given, and the token is one of the two forms."""
    async with StubMilvus(login=KEY) as server:
        world = place(server)
        await add_engine(world)
        async with running(world.operator_api, world.engines):
            await told(world, "CredentialsRefused", "wants a login", f"type {AUTH_SECRET_TYPE}")
            await publish(world, "key", token=KEY)
            await world.patch("engine", {"spec": {"auth": {"secretName": "key"}}}, VECTOR_ENGINE)
            await world.settled_engine()


async def test_a_secret_of_another_type_is_never_sent(place: Place) -> None:
    """Whoever may create engines could have any Secret of the namespace sent to a server of theirs.
    A Secret of the right type is taken up by itself.
    """
    async with StubMilvus() as server:
        world = place(server)
        await publish(world, "login", "Opaque", username=USER, password=PASSWORD)
        await add_engine(world, **AUTH)
        async with running(world.operator_api, world.engines, **LOOK):
            await told(world, "SecretInvalid", "its type is Opaque", "create another")
            await world.create_collection("docs")
            await world.settled("docs", "EngineNotReady")
            assert (server.calls, server.shown) == (0, [])
            await world.delete("login", SECRET)
            await told(world, "SecretNotFound", "'login'")
            await publish(world, "login", username=USER, password=PASSWORD)
            await world.settled_engine()
    assert set(server.shown) == {LOGIN}


async def test_a_login_goes_to_none_but_the_right_server(place: Place) -> None:
    """Over TLS, to one with a certificate of the CA: another server is not shown the login. The
    condition that warns of a login in the clear is not there.
    """
    async with StubMilvus(login=LOGIN, tls="server") as server:
        world = place(server)
        await publish(world, "login", username=USER, password=PASSWORD)
        await publish(world, "trusted", "Opaque", ca_crt=OTHER.pem.decode())
        await add_engine(world, tls={"caSecretName": "trusted"}, **AUTH)
        async with running(world.operator_api, world.engines, **LOOK):
            await told(world, "EngineUnreachable", "of no CA that is trusted")
            assert (server.calls, server.shown) == (0, [])
            await publish(world, "trusted", "Opaque", ca_crt=OURS.pem.decode())
            found = await world.settled_engine()
            assert types(found) == {"Ready"}
            await world.patch("engine", {"spec": {"tls": {"caSecretName": None}}}, VECTOR_ENGINE)
            await told(world, "EngineUnreachable", "of no CA that is trusted")


async def test_an_engine_is_reached_over_mutual_tls(place: Place) -> None:
    """With a certificate of Quiver's, and not without."""
    shown = OURS.client("quiver")
    async with StubMilvus(tls="mutual") as server:
        world = place(server)
        await publish(world, "trusted", "Opaque", ca_crt=OURS.pem.decode())
        entries = {"tls_crt": shown.certificate.decode(), "tls_key": shown.key.decode()}
        await publish(world, "shown", "kubernetes.io/tls", **entries)
        await add_engine(world, tls={"caSecretName": "trusted"})
        async with running(world.operator_api, world.engines, **LOOK):
            await told(world, "EngineUnreachable", "wants a client certificate")
            both = {"caSecretName": "trusted", "clientSecretName": "shown"}
            await world.patch("engine", {"spec": {"tls": both}}, VECTOR_ENGINE)
            await world.settled_engine()


async def test_the_warning_of_a_login_in_the_clear_goes_with_it(place: Place) -> None:
    """It stands beside Ready as long as the spec has it so."""
    async with StubMilvus(login=LOGIN) as server:
        world = place(server)
        await publish(world, "login", username=USER, password=PASSWORD)
        await add_engine(world, **AUTH)
        async with running(world.operator_api, world.engines):
            assert types(await world.settled_engine()) == {"Ready", "CredentialsInClear"}
            server.login = None
            await world.patch("engine", {"spec": {"auth": None}}, VECTOR_ENGINE)

            async def gone() -> bool:
                found = await world.get("engine", VECTOR_ENGINE)
                return types(found) == {"Ready"}

            await eventually(gone, "nothing is sent in the clear any more")
