"""One of several operators leads, and it knows when it does so no longer."""

import asyncio
import copy
import math
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest

from quiver.adapters.clock import SystemClock
from quiver.control.leader.election import LEASE, LEASE_NAME, SOMEBODY, Election, Terms
from quiver.control.leader.leadership import Leadership, NotLeading
from quiver.control.observe.metrics import Metrics
from quiver.control.observe.readiness import Readiness
from quiver.domain.kubernetes_types import SECRET, Key, Kind, Manifest
from quiver.ports.errors import ApiError, ApiRefused, ApiUnavailable, Conflict, NotFound
from support.waiting import eventually

TERMS = Terms(duration=1, renew=0.4, retry=0.02)
PATIENT = Terms(duration=60, renew=40, retry=0.02)
DEADLINE_S = 20
KEYS = {"current": "a2V5"}


class FakeLeases:
    """An API server with one Lease, which checks versions; `failure` is how it answers meanwhile.

    `keys` are what the Secret of claim keys holds: None without a Secret. The answer of a call that
    was told to be `lost` gets lost after it took effect.
    """

    def __init__(self) -> None:
        self.lease: Manifest | None = None
        self.failure: ApiError | None = None
        self.keys: Manifest | None = {}
        self.may_create = True
        self.lost = 0
        self._version = 0

    async def get(self, kind: Kind, _key: Key) -> Manifest:
        self._fail()
        if kind == SECRET:
            if self.keys is None:
                raise NotFound("no secret")
            return {"metadata": {}, "data": self.keys}
        assert kind == LEASE
        if self.lease is None:
            raise NotFound("no lease")
        return copy.deepcopy(self.lease)

    async def create(self, _kind: Kind, manifest: Manifest) -> Manifest:
        self._fail()
        if not self.may_create:
            raise ApiRefused("leases is forbidden")
        if self.lease is not None:
            raise Conflict("already exists")
        return self.store(copy.deepcopy(manifest))

    async def patch(self, _kind: Kind, _key: Key, patch: Manifest) -> Manifest:
        self._fail()
        if self.lease is None:
            raise NotFound("no lease")
        if patch["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise Conflict("changed")
        spec = {**self.lease.get("spec", {}), **patch["spec"]}
        spec = {name: value for name, value in spec.items() if value is not None}
        answer = self.store({"metadata": self.lease["metadata"], "spec": spec})
        if self.lost:
            self.lost -= 1
            raise ApiUnavailable("no answer")
        return answer

    def write(self, **spec: Any) -> None:
        """Change the lease as somebody else."""
        held = self.lease or {"metadata": {}, "spec": {}}
        self.store({"metadata": held["metadata"], "spec": {**held["spec"], **spec}})

    @property
    def holder(self) -> str | None:
        return self.lease.get("spec", {}).get("holderIdentity") if self.lease else None

    def store(self, lease: Manifest) -> Manifest:
        self._version += 1
        metadata = {**lease["metadata"], "resourceVersion": str(self._version)}
        self.lease = {**lease, "metadata": metadata}
        return copy.deepcopy(self.lease)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


class Candidate:
    def __init__(self, leases: FakeLeases, name: str, terms: Terms = TERMS) -> None:
        self.readiness, self.metrics = Readiness(), Metrics()
        self.losses: list[str] = []
        self.leadership = Leadership(self.losses.append)
        self.leads = asyncio.Event()
        api: Any = leases
        identity = f"{name}_1"
        self.election = Election(api, "system", identity, self.leadership, SystemClock(), terms)

    async def serve(self) -> None:
        async with self.election.term(self.readiness, self.metrics):
            self.leads.set()
            await asyncio.Event().wait()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        task = asyncio.create_task(self.serve())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until_leading(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await self.leads.wait()

    @property
    def status(self) -> float | None:
        labels = {"name": LEASE_NAME}
        return self.metrics.registry.get_sample_value("leader_election_master_status", labels)


@pytest.fixture
def leases() -> FakeLeases:
    return FakeLeases()


@pytest.mark.parametrize("keys", [None, {}], ids=["no Secret", "an empty Secret"])
async def test_the_first_operator_makes_the_lease(leases: FakeLeases, keys: Manifest) -> None:
    """It leads at once: where no keys were made yet, no operator has led."""
    leases.keys = keys
    candidate = Candidate(leases, "one", PATIENT)
    async with candidate.running():
        await candidate.until_leading()
        assert leases.holder == "one_1"


@pytest.mark.parametrize("empty", [{"metadata": {}}, {"metadata": {}, "spec": {}}])
async def test_an_empty_lease_is_free(leases: FakeLeases, empty: Manifest) -> None:
    """It may be made by hand, for an operator without the right to create it."""
    leases.may_create = False
    leases.store(empty)
    candidate = Candidate(leases, "one", PATIENT)
    async with candidate.running():
        await candidate.until_leading()
        assert leases.holder == "one_1"


async def test_a_lease_that_may_not_be_created_is_waited_for(leases: FakeLeases) -> None:
    """Readiness says what to do, and the operator leads once the Lease is there."""
    leases.may_create = False
    candidate = Candidate(leases, "one", PATIENT)
    async with candidate.running():
        said = "the operator may not create it: leases is forbidden. Give its service account"
        readiness = candidate.readiness
        await eventually(lambda: said in (readiness.problem or ""), "the operator says what to do")
        leases.store({"metadata": {}, "spec": {}})
        await candidate.until_leading()


async def test_the_second_stands_by_and_says_who_leads(leases: FakeLeases) -> None:
    """It is ready to follow, its metric is 0, and it may not write."""
    first, second = Candidate(leases, "one", PATIENT), Candidate(leases, "two", PATIENT)
    async with first.running(), second.running():
        await first.until_leading()
        await eventually(lambda: second.readiness.problem is None, "the second is ready")
        assert second.readiness.state == "standby: one leads"
        assert (first.status, second.status) == (1, 0)
        first.leadership.require()
        with pytest.raises(NotLeading):
            second.leadership.require()


async def test_a_clean_exit_lets_the_next_lead_at_once(leases: FakeLeases) -> None:
    """The lease is given back, with most of its minute still to run."""
    first, second = Candidate(leases, "one", PATIENT), Candidate(leases, "two", PATIENT)
    async with AsyncExitStack() as stack:
        async with first.running():
            await first.until_leading()
            await stack.enter_async_context(second.running())
        await second.until_leading()
        assert leases.holder == "two_1"
    assert first.losses == []
    with pytest.raises(NotLeading):
        first.leadership.require()


@pytest.mark.parametrize("written", ["1970-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"])
async def test_a_dead_leaders_lease_is_taken_when_it_has_stood_still(
    leases: FakeLeases, written: str
) -> None:
    """Not earlier than its duration after it was seen to change, whatever time is written in it."""
    leases.write(holderIdentity="dead_1", leaseDurationSeconds=1, renewTime=written)
    heir = Candidate(leases, "heir")
    begun = time.monotonic()
    async with heir.running():
        await heir.until_leading()
    assert time.monotonic() - begun >= 1


async def test_a_lease_that_is_renewed_is_left_alone(leases: FakeLeases) -> None:
    """A leader leads on, for longer than the lease's duration."""
    calm = Terms(duration=2, renew=1.5, retry=0.02)
    first, second = Candidate(leases, "one", calm), Candidate(leases, "two", calm)
    async with first.running():
        await first.until_leading()
        async with second.running():
            with suppress(TimeoutError):
                await asyncio.wait_for(second.leads.wait(), 2.5)
            assert leases.holder == "one_1"
            assert not second.leads.is_set()


async def test_a_leader_whose_lease_another_has_ends(leases: FakeLeases) -> None:
    """It says who has the lease, may not write, and does not take the lease from its holder."""
    leader = Candidate(leases, "one", PATIENT)
    async with leader.running() as task:
        await leader.until_leading()
        leases.write(holderIdentity="two_1")
        with pytest.raises(BaseExceptionGroup) as ended:
            await asyncio.wait_for(task, DEADLINE_S)
    assert ended.group_contains(NotLeading, match="two_1 has it now")
    assert leader.losses == ["two_1 has it now"]
    assert (leases.holder, leader.status) == ("two_1", 0)


async def test_a_leader_that_cannot_renew_ends(leases: FakeLeases) -> None:
    """When the API server does not answer until the deadline, somebody else may lead soon."""
    leader = Candidate(leases, "one")
    async with leader.running() as task:
        await leader.until_leading()
        leases.failure = ApiUnavailable("no answer")
        with pytest.raises(BaseExceptionGroup) as ended:
            await asyncio.wait_for(task, DEADLINE_S)
    assert ended.group_contains(NotLeading)
    assert leader.losses == ["it could not be renewed in time"]


async def test_a_short_outage_ends_nobody(leases: FakeLeases) -> None:
    """Renewals go on when the API server is back before the deadline."""
    leader = Candidate(leases, "one", PATIENT)
    async with leader.running() as task:
        await leader.until_leading()
        leases.failure = ApiUnavailable("no answer")
        await asyncio.sleep(0.05)
        leases.failure, before = None, leases.lease
        await eventually(lambda: leases.lease != before, "the lease is renewed")
        assert not task.done()


async def test_a_renewal_whose_answer_is_lost_ends_nobody(leases: FakeLeases) -> None:
    """The lease changed without the leader's knowledge, and is still its own."""
    leader = Candidate(leases, "one", PATIENT)
    async with leader.running() as task:
        await leader.until_leading()
        leases.lost = 1
        await eventually(lambda: leases.lost == 0, "the renewals are lost")
        before = leases.lease
        await eventually(lambda: leases.lease != before, "the lease is renewed")
        assert not task.done()
        assert leader.losses == []


async def test_a_renewal_that_hangs_is_told_in_words(
    leases: FakeLeases, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says that no answer came, when none comes until the lease is over."""

    async def hang(*_: Any) -> Manifest:
        await asyncio.Event().wait()
        raise AssertionError

    leader = Candidate(leases, "one")
    async with leader.running():
        await leader.until_leading()
        monkeypatch.setattr(leases, "patch", hang)
        await eventually(lambda: "was not renewed" in caplog.text, "the failure is logged")
    assert "was not renewed: no answer" in caplog.text


async def test_a_lease_that_somebody_deletes_is_made_anew(leases: FakeLeases) -> None:
    """The leader leads on, as nobody else was elected."""
    leader = Candidate(leases, "one", PATIENT)
    async with leader.running() as task:
        await leader.until_leading()
        leases.lease = None
        await eventually(lambda: leases.holder == "one_1", "it leads")
        assert not task.done()


async def test_a_lease_that_is_deleted_changes_no_leader(leases: FakeLeases) -> None:
    """Also if the other one is the first to find that: it stands by, and the leader leads on."""
    leases.keys = KEYS
    first = Candidate(leases, "one", Terms(duration=60, renew=40, retry=0.5))
    second = Candidate(leases, "two", PATIENT)
    leases.store({"metadata": {}, "spec": {}})
    async with first.running() as task:
        await first.until_leading()
        async with second.running():
            await eventually(lambda: second.readiness.problem is None, "the second stands by")
            leases.lease = None
            await eventually(lambda: leases.holder == SOMEBODY, "the second makes it anew")
            assert second.readiness.state == f"standby: {SOMEBODY} leads"
            await eventually(lambda: leases.holder == "one_1", "the first takes it back")
            await eventually(lambda: "one leads" in second.readiness.state, "the second stands by")
            assert not task.done()
    assert first.losses == []
    assert not second.leads.is_set()


async def test_a_deleted_lease_without_a_leader_is_taken_after_its_duration(
    leases: FakeLeases,
) -> None:
    """Whoever held it leads no longer by then."""
    leases.keys = KEYS
    heir = Candidate(leases, "heir")
    begun = time.monotonic()
    async with heir.running():
        await heir.until_leading()
        assert leases.holder == "heir_1"
    assert time.monotonic() - begun >= TERMS.duration


async def test_a_leader_ends_at_once_when_another_has_made_its_lease_anew(
    leases: FakeLeases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds the Lease gone, then cannot create it: the renewal that finds that is its last."""
    leader = Candidate(leases, "one", PATIENT)
    async with leader.running() as task:
        await leader.until_leading()
        renewals = 0

        async def gone(*_: Any) -> Manifest:
            nonlocal renewals
            renewals += 1
            raise NotFound("no lease")

        monkeypatch.setattr(leases, "patch", gone)
        leases.write(holderIdentity="two_1")
        with pytest.raises(BaseExceptionGroup):
            await asyncio.wait_for(task, DEADLINE_S)
    assert leader.losses == ["two_1 has it now"]
    assert renewals == 1


async def test_a_standby_that_cannot_read_the_lease_is_not_ready(leases: FakeLeases) -> None:
    """The probe says what is the matter, and all is well when it is over."""
    leases.failure = ApiUnavailable("leases are forbidden")
    candidate = Candidate(leases, "one", PATIENT)
    async with candidate.running():
        await eventually(
            lambda: "leases are forbidden" in (candidate.readiness.problem or ""),
            "the problem is told",
        )
        leases.failure = None
        await candidate.until_leading()


def test_whoever_wakes_up_too_late_learns_it_at_the_first_write() -> None:
    """The deadline passed while the process was paused: told once, and no renewal revives it."""
    hour, losses = [0.0], list[str]()
    leadership = Leadership(losses.append, lambda: hour[0])
    leadership.begin(until=10)
    hour[0] = 9.9
    leadership.require()
    hour[0] = 10
    for late in (leadership.require, lambda: leadership.extend(20), leadership.require):
        with pytest.raises(NotLeading):
            late()
    assert losses == ["it could not be renewed in time"]


@pytest.mark.parametrize(
    ("error", "quiet_in"),
    [
        (None, 0),
        (Conflict("changed"), 0),
        (ApiUnavailable("no answer"), 5),
        (asyncio.CancelledError(), 5),
    ],
    ids=["done", "refused", "no answer", "broken off"],
)
def test_a_write_without_an_answer_may_still_arrive(
    error: BaseException | None, quiet_in: float
) -> None:
    """It is known to be over once it has been answered, or so late that the network forgot it."""
    leadership = Leadership(now=lambda: 7.0)
    leadership.begin(until=10)
    with suppress(type(error) if error else ()), leadership.writing():
        assert leadership.quiet_in(5) == math.inf
        if error is not None:
            raise error
    assert leadership.quiet_in(5) == quiet_in


async def test_a_lease_is_given_back_once_no_write_can_arrive(leases: FakeLeases) -> None:
    """A write of the old leader would otherwise hit what the next one has made."""
    leader = Candidate(leases, "one", Terms(duration=3, renew=2.5, retry=0.02))
    async with leader.running() as task:
        await leader.until_leading()
        with suppress(ApiUnavailable), leader.leadership.writing():
            raise ApiUnavailable("no answer")
        given_up = time.monotonic()
        task.cancel()
        await eventually(lambda: leases.holder is None, "the lease is given back")
    assert time.monotonic() - given_up >= 0.5
