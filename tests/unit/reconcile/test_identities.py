"""Members say who they are each time that something is to be done there."""

import msgspec
import pytest

from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Key
from quiver.domain.members import Member
from quiver.domain.servers import Server
from quiver.ports.errors import EngineRefused, EngineUnreachable
from quiver.reconcile.identities import Identities
from support.builders import NAMESPACE, engine
from support.builders import external as external_engine
from support.fake_engine import FakeEngines

KEY = Key(NAMESPACE, "engine")
ENGINE = msgspec.convert(engine(), VectorEngine)
LATER = "2024-05-01T11:00:00Z"
NEWCOMER = msgspec.convert(engine("newcomer", creationTimestamp=LATER), VectorEngine)
UID = "uid-of-engine"
ID, OTHER_ID = "0" * 32, "1" * 32
AT, ENDPOINT = "10.0.0.7:19530", "milvus.example.org:19530"
POD = Member("engine-0", "Quiver", AT, "engine-0.engine.team-a.svc:19530", True, "engine-0")
BUSY = EngineRefused("RESOURCE_EXHAUSTED", "busy", retriable=True)
EXTERNAL = Member(ENDPOINT, "Quiver", AT, ENDPOINT, ready=True)


class IdentitySetup:
    def __init__(self, instance: str | None = ID) -> None:
        self.engines = FakeEngines()
        self.server = self.engines.start(AT, instance=instance)
        self.identities = Identities(self.engines)


@pytest.mark.parametrize("instance", [ID, None])
async def test_a_server_is_its_data_and_where_it_is(instance: str | None) -> None:
    """A pod is only its data: its address goes with it."""
    setup = IdentitySetup(instance)
    assert await setup.identities.ask(ENGINE, POD) == Server(UID, instance, None)
    assert await setup.identities.ask(ENGINE, EXTERNAL) == Server(UID, instance, AT)


async def test_who_a_member_is_is_asked_each_time() -> None:
    """An answer of before says nothing about who is there now."""
    setup = IdentitySetup()
    await setup.identities.ask(ENGINE, POD)
    setup.server.instance = OTHER_ID
    assert await setup.identities.ask(ENGINE, POD) == Server(UID, OTHER_ID, None)
    setup.server.up = False
    with pytest.raises(EngineUnreachable):
        await setup.identities.ask(ENGINE, POD)


def managed(setup: IdentitySetup, server: Server, engine: VectorEngine = NEWCOMER) -> list[str]:
    """Return the older engines with pods that were seen to be the server."""
    found = setup.identities.elders_at(server, engine, managed=True)
    return [elder.name for elder in found]


def external(setup: IdentitySetup, server: Server, engine: VectorEngine = NEWCOMER) -> list[str]:
    """Return the older engines with an endpoint that was seen to lead to the server."""
    found = setup.identities.elders_at(server, engine, managed=False)
    return [elder.name for elder in found]


async def test_a_managed_server_is_known_however_it_is_reached() -> None:
    """From when its pod was asked, until its engine is forgotten."""
    setup = IdentitySetup()
    reached = await setup.identities.ask(NEWCOMER, EXTERNAL)
    assert managed(setup, reached) == []
    await setup.identities.ask(ENGINE, POD)
    assert managed(setup, reached) == ["engine"]
    assert managed(setup, Server(UID, OTHER_ID, AT)) == []
    setup.identities.forget(KEY)
    assert managed(setup, reached) == []


async def test_a_newcomer_is_in_nobodys_way() -> None:
    """What a pod says can be made up: an engine that was there before is not taken for it."""
    setup = IdentitySetup()
    reached = await setup.identities.ask(ENGINE, EXTERNAL)
    await setup.identities.ask(NEWCOMER, POD)
    assert managed(setup, reached, ENGINE) == []


async def test_which_engines_lead_to_a_server_is_known() -> None:
    """Those with an endpoint at which it was found last; pods are no endpoints."""
    setup = IdentitySetup()
    twin = msgspec.convert(engine("twin"), VectorEngine)
    reached = await setup.identities.ask(ENGINE, EXTERNAL)
    assert external(setup, reached) == ["engine"]
    await setup.identities.ask(twin, EXTERNAL)
    assert external(setup, reached) == ["engine", "twin"]
    assert managed(setup, reached) == []
    setup.server.instance = OTHER_ID
    await setup.identities.ask(ENGINE, EXTERNAL)
    assert external(setup, reached) == ["twin"]
    setup.identities.forget(Key(NAMESPACE, "twin"))
    assert external(setup, reached) == []


async def test_a_pod_with_other_data_is_another_server() -> None:
    """What the pod was before is no longer Quiver's, for all that is known."""
    setup = IdentitySetup()
    await setup.identities.ask(ENGINE, POD)
    setup.server.instance = OTHER_ID
    await setup.identities.ask(ENGINE, POD)
    assert managed(setup, Server(UID, OTHER_ID, AT)) == ["engine"]
    assert managed(setup, Server(UID, ID, AT)) == []


async def test_an_engine_made_anew_begins_anew() -> None:
    """What was seen of the engine that had its name counts for nothing."""
    setup = IdentitySetup()
    reached = await setup.identities.ask(ENGINE, POD)
    setup.server.instance = OTHER_ID
    anew = msgspec.convert(engine(uid="uid-of-the-new-engine"), VectorEngine)
    await setup.identities.ask(anew, POD._replace(name="engine-1"))
    assert managed(setup, reached) == []


async def test_servers_that_tell_no_identity_are_not_taken_for_each_other() -> None:
    """That a pod tells none makes no other server one of Quiver's."""
    setup = IdentitySetup(instance=None)
    await setup.identities.ask(ENGINE, POD)
    assert managed(setup, Server(UID, None, AT)) == []
    assert managed(setup, Server("uid-of-another", None, AT)) == []


async def test_a_refusal_to_list_counts_until_a_list_or_another_engine() -> None:
    """It is known by member, of the engine that has the name now."""
    setup = IdentitySetup()
    await setup.identities.ask(ENGINE, POD)
    setup.identities.note_listing(ENGINE, POD, BUSY)
    anew = msgspec.convert(engine(uid="uid-of-the-new-engine"), VectorEngine)
    assert setup.identities.refusals_of(ENGINE) == {POD.name: BUSY}
    assert setup.identities.refusals_of(anew) == {}
    setup.identities.note_listing(ENGINE, POD, None)
    assert setup.identities.refusals_of(ENGINE) == {}
    setup.identities.note_listing(anew, POD, BUSY)
    assert setup.identities.refusals_of(anew) == {}


async def test_a_full_disk_counts_until_the_member_says_otherwise() -> None:
    """It is known by member, of the engine that has the name now."""
    setup = IdentitySetup()
    await setup.identities.ask(ENGINE, POD)
    setup.identities.note_disks(ENGINE, {POD.name: True})
    anew = msgspec.convert(engine(uid="uid-of-the-new-engine"), VectorEngine)
    assert setup.identities.with_disks(ENGINE, [POD]) == (POD._replace(is_full=True),)
    assert setup.identities.with_disks(anew, [POD]) == (POD,)
    setup.identities.note_disks(ENGINE, {})
    assert setup.identities.with_disks(ENGINE, [POD])[0].is_full
    setup.identities.note_disks(ENGINE, {POD.name: False})
    assert setup.identities.with_disks(ENGINE, [POD]) == (POD,)


async def test_an_endpoint_that_is_taken_off_the_list_is_forgotten() -> None:
    """Else a tenant who changes the list again and again fills the memory, and an engine stands
    before younger ones at servers that it gave up.
    """
    setup = IdentitySetup()
    for number in range(10):
        name = f"m{number}.example.org:19530"
        elder = msgspec.convert(external_engine(name), VectorEngine)
        server = await setup.identities.ask(elder, EXTERNAL._replace(name=name))
        setup.identities.note_listing(elder, EXTERNAL._replace(name=name), BUSY)
        assert external(setup, server) == ["engine"]
        assert setup.identities.refusals_of(elder) == {name: BUSY}
    setup.engines.start("10.0.0.8:19530", instance=OTHER_ID)
    elsewhere = EXTERNAL._replace(name="last.example.org:19530", address="10.0.0.8:19530")
    last = msgspec.convert(external_engine(elsewhere.name), VectorEngine)
    await setup.identities.ask(last, elsewhere)
    assert external(setup, server) == []
    assert setup.identities.engines_at(server.identity) == []
