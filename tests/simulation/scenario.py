"""One seed's story: a storm, then calm, then what must have come of it."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from quiver.control.claim_keys import SECRET_NAME
from quiver.control.leader.election import LEASE, LEASE_NAME
from quiver.domain.kubernetes_types import SECRET, Key
from quiver.settings import Settings
from simulation.api_server import ApiServer, Write
from simulation.claims import Claims
from simulation.controllers import Controllers
from simulation.engines import Change, Fleet
from simulation.loop import VirtualLoop, end_all
from simulation.milvus_form_safety import FormSafety
from simulation.milvus_form_users import FormUsers
from simulation.milvus_outcome import MilvusOutcome
from simulation.milvus_safety import MilvusSafety
from simulation.milvus_users import MilvusUsers
from simulation.outcome import Outcome
from simulation.processes import NAMESPACE, Process, Surroundings, is_expected_end
from simulation.safety import Safety
from simulation.trace import Trace
from simulation.users import Users
from simulation.weather import WORLD, Weather

RESYNC_S = 30.0
VERIFY_S = 60.0
NUDGE_DELAY_S = 240.0
QUIET_S = 150.0
MISLED_S = 20.0
UPGRADED = 6
"""Of each ten seeds, the one in which each operator has another default image."""
ON_MILVUS = 0.3
"""The share of the seeds in which users have an engine of type Milvus."""
IN_LONG_FORM = 0.5
"""The share of those seeds in which they write schemas in long form, too."""
HELD = 9
"""Of each twenty seeds, the one in which users hold objects by finalizers of their own."""
UNLEASED = 8
"""Of each ten seeds, the one in which somebody deletes the Lease now and then."""


@dataclass
class Verdict:
    """What came of a seed; `broken` is empty where all is well."""

    seed: int
    broken: list[str]
    trace: Trace
    counts: Counter[str]


class Scenario:
    """All that a seed decides, and the run of it."""

    def __init__(self, seed: int, loop: VirtualLoop) -> None:
        self.trace = Trace()
        self.counts: Counter[str] = Counter()
        self._loop = loop
        rng = self._rng = Random(seed)  # noqa: S311 - it is to be foretold
        uid_rng = Random(seed)  # noqa: S311
        weather = self._weather = Weather(rng)
        server = self._server = ApiServer(loop.time, lambda: f"{uid_rng.getrandbits(32):08x}")
        fleet = self._fleet = Fleet(self.trace, loop.time, rng)
        claims = self._claims = Claims(server, fleet)
        self._safety = Safety(server, fleet, claims, loop.time)
        hold = seed % 20 == HELD
        self._milvus = MilvusSafety(server, fleet, claims, self._safety, loop.time)
        self._forms = FormSafety(server, fleet, claims, self._safety)
        # A generator of its own, so that the stories of the other seeds stay what they are.
        own = Random(f"milvus {seed}")  # noqa: S311
        milvus = None
        if own.random() < ON_MILVUS:
            forms = _form_users(seed, server, fleet)
            milvus = MilvusUsers(server, fleet, self._safety, own, forms)
        self._users = Users(server, fleet, self._safety, rng, hold=hold, milvus=milvus)
        self._around = Surroundings(loop, rng, self.trace, weather, server, fleet)
        self._controllers = Controllers(server, fleet, rng)
        server.observers.append(self._note_write)
        fleet.changed.append(self._note_change)
        self._processes: list[Process] = []
        self._started = 0
        # Drawn from no generator, so that the stories of the other seeds stay what they are.
        self._upgrades = seed % 10 == UPGRADED
        self._elect = rng.random() < 0.35
        self._unleases = self._elect and seed % 10 == UNLEASED
        self._kill_at = {rng.randint(1, 80) for _ in range(rng.choice((0, 0, 1, 3, 6)))}
        self._mislead_at = {rng.randint(1, 80) for _ in range(rng.choice((0, 0, 1, 3)))}
        self._settings = Settings(
            resync_period=RESYNC_S,
            verify_period=VERIFY_S,
            workers=rng.choice((1, 4, 12)),
            workers_per_engine=rng.choice((1, 2, 4)),
            namespace=NAMESPACE,
        )
        self._safety.elects = self._elect

    async def run(self) -> list[str]:
        """Return what was violated, in sentences."""
        self._users.begin()
        for _ in range(2 if self._elect else 1):
            self._start()
        for phase in (self._storm, self._settle, self._rest):
            await phase()
            broken = [*self._safety.broken, *self._ended_wrongly()]
            if broken:
                return broken
        return list(self._unfinished())

    async def _storm(self) -> None:
        rng = self._rng
        pause = rng.choice((0.3, 2.0, 8.0))
        if rng.random() < 0.3:
            begin = rng.uniform(0, 60)
            self._weather.outage(begin, begin + rng.uniform(5, 60))
        for _ in range(rng.randint(10, 40)):
            await asyncio.sleep(rng.uniform(0, 2 * pause))
            if self._safety.broken:
                return
            if self._unleases and rng.random() < 0.3:
                self._delete_lease()
            if rng.random() < 0.06:
                self._disturb()
            else:
                self._users.act()

    async def _settle(self) -> None:
        """Let the faults cease; whoever stood still has gone on by the end."""
        self.trace.add(self._loop.time(), "world", "calm")
        self._weather.calm = True
        self._kill_at.clear()
        self._mislead_at.clear()
        self._users.end()
        await asyncio.sleep(15)
        self._users.end()
        await asyncio.sleep(NUDGE_DELAY_S)

    async def _rest(self) -> None:
        """See that all is as it should be, and that then nothing is done any more."""
        milvus = MilvusOutcome(self._server, self._fleet, self._milvus, self._forms)
        for complaint in Outcome(self._server, self._fleet, self._claims, milvus).complaints():
            self._safety.says("in the end", complaint)
        for pod in self._controllers.replaced:
            self._safety.says("kubernetes", f"{pod} is replaced, though no spec asks for that")
        before = self.counts.copy()
        await asyncio.sleep(QUIET_S)
        done = self.counts - before
        if done:
            told = ", ".join(f"{what} ({times}x)" for what, times in done.items())
            self._safety.says("in the end", f"operators do not come to rest: {told}")

    def _unfinished(self) -> Iterator[str]:
        if not any(p.alive for p in self._processes):
            yield "no operator is left"

    def _ended_wrongly(self) -> Iterator[str]:
        for process in self._processes:
            if process.ended is not None and not is_expected_end(process.ended):
                yield f"{process.name} has ended: {process.ended!r}"

    def _disturb(self) -> None:
        alive = [p for p in self._processes if p.alive]
        if not alive:
            return
        process = self._rng.choice(alive)
        choice = self._rng.random()
        if choice < 0.4:
            self._kill(process)
        elif choice < 0.8:
            seconds = self._rng.choice((3.0, 12.0, 25.0, 60.0))
            self._safety.stands_still(process.name, seconds)
            process.stop_for(seconds)
        else:
            process.terminate()
            self._follow()

    def _delete_lease(self) -> None:
        # Not before a leader has made its keys, with which it shows that there is one.
        lease, keys = Key(NAMESPACE, LEASE_NAME), Key(NAMESPACE, SECRET_NAME)
        if self._server.find(LEASE, lease) and self._server.find(SECRET, keys):
            self._server.delete("somebody", LEASE, lease)

    def _kill(self, process: Process) -> None:
        process.kill()
        self._follow()

    def _follow(self) -> None:
        """Start another process in a while, as a Deployment does."""
        self._loop.call_later(self._rng.uniform(4, 12), self._start, context=WORLD)

    def _start(self) -> None:
        if self._weather.over:
            return
        self._started += 1
        name, settings = f"op-{self._started}", self._settings
        if self._upgrades:
            settings = replace(settings, engine_image=f"registry.example/engine:{self._started}")
        process = Process(self._around, name, settings, self._follow, elect=self._elect)
        self._processes.append(process)

    def _note_write(self, write: Write) -> None:
        if not write.actor.startswith("op-"):
            outcome = "" if write.old is not write.new else "changes nothing"
            told = f"{write.verb} {write.kind.kind} {write.key} {_spec_told(write)}"
            self.trace.add(self._loop.time(), write.actor, told.rstrip(), outcome)
            return
        if write.kind == LEASE:
            return
        self._note(write.actor, f"{write.verb} {write.kind.kind} {write.key}")

    def _note_change(self, change: Change) -> None:
        if change.actor.startswith("op-"):
            actor = change.actor.rstrip("?")
            self._note(actor, f"{change.call} {change.name}")

    def _note(self, actor: str, what: str) -> None:
        self.counts[what] += 1
        process = next((p for p in self._processes if p.name == actor and p.alive), None)
        if process is None:
            return
        if self.counts.total() in self._kill_at:
            self._kill(process)
        elif self.counts.total() in self._mislead_at:
            self._mislead(process)

    def _mislead(self, process: Process) -> None:
        """Have a process stand still while pods exchange their addresses."""
        self._safety.stands_still(process.name, MISLED_S)
        process.stop_for(MISLED_S)
        self._controllers.exchange_addresses()

    @property
    def broken(self) -> list[str]:
        return self._safety.broken

    def close(self) -> None:
        self._weather.over = True
        # What is under way still arrives, and must kill nobody: who stands still cannot end.
        self._kill_at.clear()
        self._mislead_at.clear()


def _form_users(seed: int, server: ApiServer, fleet: Fleet) -> FormUsers | None:
    """Return who uses long forms, in some seeds; with a generator of their own as well."""
    own = Random(f"long forms {seed}")  # noqa: S311 - it is to be foretold
    return FormUsers(server, fleet, own) if own.random() < IN_LONG_FORM else None


def _spec_told(write: Write) -> str:
    if write.new is None:
        return "(gone)"
    before = (write.old or {}).get("spec")
    return "" if write.new.get("spec") in (before, None) else str(write.new["spec"])


def run_seed(seed: int) -> Verdict:
    """Run one seed from beginning to end. The same seed gives the same trace."""
    random.seed(seed)
    loop = VirtualLoop()
    scenario = Scenario(seed, loop)
    broken: list[str] = []
    try:
        broken = loop.run_until_complete(scenario.run())
        if not broken:
            broken = list(loop.troubles)
    finally:
        scenario.close()
        end_all(loop)
    return Verdict(seed, broken, scenario.trace, scenario.counts)
