"""One soak from beginning to end: rounds of calls, each with a look at everything behind it.

In the first two fifths of the time half of the rounds end with the engine killed, or told to end,
while calls are under way. The rest is one life, over which nothing may grow.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc
import numpy as np

from machine.processes import ProcessFailed
from soak import audit, growth
from soak.engine import Engine
from soak.growth import Comparison, Sample
from soak.rest import rest
from soak.run import Options, Run
from soak.users import User
from support.milvus1_client import Refused

RESTARTS_SHARE = 0.4
LEAST_ROUNDS = 2
SAMPLE_S = 2.0
JOIN_S = 180.0


@dataclass
class Result:
    """`wrong` is empty after a soak that found nothing."""

    wrong: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    growth: list[Comparison] = field(default_factory=list)
    recall: dict[str, float] = field(default_factory=dict)
    """The least of each approximate index, by collection and type."""
    rounds: int = 0


def soak(options: Options, tell: Callable[[str], None]) -> Result:
    """Run a soak; what it finds stands in the result."""
    engine = Engine(options.folder)
    client = options.connect(engine.start().grpc_address)
    run = Run(options, tell, client)
    soaking = _Soaking(run, engine)
    try:
        soaking.run()
    except (grpc.RpcError, Refused, ProcessFailed, TimeoutError) as error:
        run.complain("the soak", f"it cannot go on: {error}")
    finally:
        run.round_is_over.set()
        run.client.close()
        if engine.is_running:
            engine.kill()
    return soaking.result()


class _Soaking:
    def __init__(self, run: Run, engine: Engine) -> None:
        self._run, self._engine = run, engine
        self._begun = time.monotonic()
        self._seeds = np.random.SeedSequence(run.options.seed)
        self._random = np.random.default_rng(self._seeds.spawn(1)[0])
        self._result = Result()

    def run(self) -> None:
        self._look(after_restart=False)
        while self._has_time(1.0) and not self._run.is_lost:
            number = self._result.rounds
            self._run.is_growing = number % 2 == 0
            # Killed where rows are many, told to end where they are few.
            how = ("kill", "end", "", "")[number % 4] if self._has_time(RESTARTS_SHARE) else ""
            self._round(how)
            self._look(after_restart=bool(how))
            if not self._run.is_growing and not self._run.is_lost:
                self._mark()
            self._result.rounds += 1
            self._tell()
        self._end()

    def _has_time(self, share: float) -> bool:
        """Whether that share of the time is not over yet; the first rounds are always made."""
        is_early = self._seconds < share * self._run.options.seconds
        return is_early or self._result.rounds < LEAST_ROUNDS

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._begun

    def _round(self, how: str) -> None:
        """Have users call for a while; `how` the engine ends meanwhile, if it does."""
        run = self._run
        run.round_is_over.clear()
        run.flushes = how != "kill"
        if not run.flushes:
            run.client.flush_rarely()
        seeds = self._seeds.spawn(run.options.users)
        users = [User(run, np.random.default_rng(seed)) for seed in seeds]
        for user in users:
            user.start()
        self._wait(run.options.round_s)
        if how:
            self._result.ends[how] += 1
            run.ending.set()
            self._engine.kill() if how == "kill" else self._engine.terminate()
        else:
            run.round_is_over.set()
        end = time.monotonic() + JOIN_S
        for user in users:
            user.join(max(0, end - time.monotonic()))
            if user.is_alive():
                raise TimeoutError(f"a call has not ended within {JOIN_S:.0f} s")
        if how:
            self._start_again(how)

    def _start_again(self, how: str) -> None:
        if how == "end":
            self._engine.check_end()
        self._run.client.close()
        self._run.client = self._run.options.connect(self._engine.start().grpc_address)
        self._run.ending.clear()

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._run.is_lost:
            threading.Event().wait(min(SAMPLE_S, left))
            if not self._engine.is_running:
                raise ProcessFailed(f"the engine ended by itself: {self._engine.last_lines}")
            self._sample()

    def _sample(self, *, is_mark: bool = False) -> None:
        rows = sum(subject.ledger.living for subject in self._run.subjects)
        found = growth.sample(self._engine, self._begun, rows, is_mark=is_mark)
        self._result.samples.append(found)

    def _look(self, *, after_restart: bool) -> None:
        recalls = audit.audit(self._run, self._random, after_restart=after_restart)
        for name, recall in recalls.items():
            self._result.recall[name] = min(recall, self._result.recall.get(name, 1.0))

    def _mark(self) -> None:
        rest(self._run, self._engine, self._random)
        self._sample(is_mark=True)

    def _end(self) -> None:
        run = self._run
        if run.is_lost:
            return
        self._result.growth = growth.compare(self._result.samples)
        for compared in self._result.growth:
            if not compared.is_within:
                bound = compared.bound
                what = f"{compared.before:g} after warm-up, {compared.after:g} at the end"
                run.complain(f"growth of {bound.figure}", f"{what}; allowed {bound}")
        self._engine.terminate()
        self._engine.check_end()
        for line in self._engine.complaints[:5]:
            run.complain("the engine's log", line)

    def _tell(self) -> None:
        last, calls = self._result.samples[-1], sum(self._run.calls.values())
        self._run.tell(
            f"{self._seconds:7.0f} s  {calls} calls, {last.rows} rows,"
            f" {last.rss_mib:.0f} MiB, {last.threads} threads, {last.descriptors} descriptors,"
            f" disk {last.disk_mib:.0f} MiB, wrong {len(self._run.wrong)}"
        )

    def result(self) -> Result:
        self._result.wrong = self._run.wrong
        self._result.calls, self._result.unanswered = self._run.calls, self._run.unanswered
        return self._result
