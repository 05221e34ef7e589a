"""Two operator processes: one leads, the other follows when that one is gone, and never do both
write.
"""

import asyncio
import json
import re
import signal
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from localcluster import ControlPlane
from machine.operator_process import OperatorProcess
from quiver.domain.kubernetes_types import VECTOR_ENGINE
from support.faulty_engine import FaultyEngine, Proceed, once
from support.namespaces import Namespace
from support.waiting import eventually

LEASE = "lease/quiver-operator"
LEASE_S = 15
SLACK_S = 12
"""For polling every 2 s, and for a busy machine."""
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
CHANGES = ("CreateCollection", "DropCollection", "CreatePartition", "DropPartition")


class Candidate(OperatorProcess):
    """`quiver operator --leader-elect`, as a user of its own in the audit log."""

    def __init__(self, plane: ControlPlane, name: str, namespace: str, folder: Path) -> None:
        """The lease is in `namespace`."""
        self.user = f"{name}-{namespace}"
        super().__init__(
            plane.kubeconfig_for(self.user, ["system:masters"]),
            folder / f"{name}.log",
            *("--allow-engine-cidr", "127.0.0.0/8", "--leader-elect"),
            environment={"POD_NAMESPACE": namespace, "POD_NAME": name},
        )

    async def ended(self) -> int:
        return await asyncio.to_thread(self.wait, 20)

    async def says(self, state: str, deadline_s: float = 30) -> None:
        async def holds() -> bool:
            _, text = await asyncio.to_thread(self.get, "/readyz")
            return text.strip() == state

        await eventually(holds, f"{self.user} says {state!r}", deadline_s)


class Pair:
    """`first` leads, `second` stands by."""

    def __init__(self, plane: ControlPlane, first: Candidate, second: Candidate):
        self.plane = plane
        self.first = first
        self.second = second

    async def second_leads(self, within_s: float) -> float:
        """Wait until it does; return the seconds that it took."""
        begun = time.monotonic()
        await self.second.says("ok", within_s)
        return time.monotonic() - begun


@pytest.fixture
async def pair(quiver_api: ControlPlane, namespace: str, tmp_path: Path) -> AsyncIterator[Pair]:
    with Candidate(quiver_api, "first", namespace, tmp_path) as first:
        await first.says("ok")
        with Candidate(quiver_api, "second", namespace, tmp_path) as second:
            await second.says("standby: first leads")
            yield Pair(quiver_api, first, second)


class Gate:
    """A fault that lets a call take effect and keeps back its answer until the gate is opened."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self, proceed: Proceed, _context: Any) -> bytes:
        answer = await proceed()
        self.reached.set()
        await self.opened.wait()
        return answer


@pytest.fixture
async def faulty(world: Namespace) -> AsyncIterator[FaultyEngine]:
    async with FaultyEngine(world.address) as engine:
        endpoints = {"endpoints": [engine.address]}
        await world.create(VECTOR_ENGINE, "faulty", {"external": endpoints})
        yield engine


async def half_made(world: Namespace, faulty: FaultyEngine) -> Gate:
    """Have the leader make a collection; return when it waits for the answer to a call."""
    gate = Gate()
    faulty.spoil(once(gate), "CreateCollection")
    await world.create_collection("docs", engineRef={"name": "faulty"}, partitions=["a"])
    async with asyncio.timeout(30):
        await gate.reached.wait()
    return gate


async def test_the_heir_of_a_killed_leader_finishes_its_work(
    world: Namespace, faulty: FaultyEngine, pair: Pair
) -> None:
    """`kill -9` amid a create: the other leads when the lease has run out, and the rest is done."""
    await half_made(world, faulty)
    pair.first.send(signal.SIGKILL)
    await pair.second_leads(LEASE_S + SLACK_S)
    await world.ready("docs")
    found = await world.engine.describe("docs")
    assert found is not None
    assert found.partitions == {"a"}
    assert faulty.calls["CreateCollection"] == 1


async def test_a_paused_leader_that_wakes_up_writes_nothing(
    world: Namespace, faulty: FaultyEngine, pair: Pair
) -> None:
    """It was stopped amid a create, another took over, and what it finds when it goes on is the
    answer it waited for: it ends with one line, and without a request that changes something.
    """
    gate = await half_made(world, faulty)
    pair.first.send(signal.SIGSTOP)
    await pair.second_leads(LEASE_S + SLACK_S)
    await world.ready("docs")
    gate.opened.set()
    before = await writes_of(pair.first.user, world, pair.plane, "marker-one")
    changes = {method: faulty.calls[method] for method in CHANGES}
    pair.first.send(signal.SIGCONT)
    assert await pair.first.ended() == 1
    after = await writes_of(pair.first.user, world, pair.plane, "marker-two")
    assert before, "the leader wrote while it led"
    assert after == before
    assert {method: faulty.calls[method] for method in CHANGES} == changes
    log = pair.first.log.read_text()
    assert "Traceback" not in log
    assert re.search(r"ERROR +the lease is lost: .*; ending at once", log.splitlines()[-1])


async def test_a_lease_that_is_deleted_changes_no_leader(pair: Pair, namespace: str) -> None:
    """Whoever makes it anew: it is the leader's again, and the other one stands by."""
    kubectl = partial(pair.plane.kubectl, f"--namespace={namespace}")
    kubectl("delete", LEASE)

    async def is_back() -> bool:
        asked = ("get", LEASE, "--ignore-not-found", "--output=jsonpath={.spec.holderIdentity}")
        return (await asyncio.to_thread(kubectl, *asked)).startswith("first_")

    await eventually(is_back, "the Lease is the leader's again")
    await pair.second.says("standby: first leads")
    await pair.first.says("ok")


async def test_a_leader_that_is_told_to_end_hands_over(world: Namespace, pair: Pair) -> None:
    """SIGTERM: it gives the lease back, so the other need not wait for the lease's time."""
    pair.first.send(signal.SIGTERM)
    assert await pair.first.ended() == 0
    await pair.second_leads(LEASE_S / 2)
    await world.create_collection("docs")
    await world.ready("docs")


async def writes_of(
    user: str, world: Namespace, plane: ControlPlane, marker: str
) -> list[dict[str, Any]]:
    """Return the user's writes, the lease's included; `marker` makes sure that all are there."""
    assert plane.audit_log is not None
    log = plane.audit_log
    await world.find(marker)

    async def is_written() -> bool:
        return marker in log.read_text()

    await eventually(is_written, "the audit log is written")
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    return [e for e in entries if e["user"]["username"] == user and e["verb"] in WRITES]
