"""What is done to the machines: one list per seed, of faults that begin and end."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random

from storm.network import CUT, HOST
from storm.plane import API_SERVER, ETCD
from storm.testbed import ENGINES, OPERATORS, Testbed

Step = Callable[[Testbed], object]

SHORTEST_S = 2.0
LONGEST_S = 60.0
LONGEST_OF_PLANE_S = 15.0
"""While there is no API server nobody can ask for anything, and little is put to the test."""
SHARE = 0.2
"""Of the storm's length, which a fault takes at most."""
LONGEST_GAP_S = 6.0


@dataclass(frozen=True)
class Fault:
    """`targets` are held by one fault at a time; `seconds` is how long it lasts, `gap` how long
    after its beginning the next one may begin.
    """

    kind: str
    what: str
    targets: frozenset[str]
    begin: Step
    end: Step
    at_most: float = LONGEST_S
    seconds: float = 0.0
    gap: float = 0.0


def killed(name: str) -> Fault:
    return Fault(
        f"{_kind(name)} killed",
        f"{name} is killed",
        frozenset({name}),
        lambda testbed: testbed.processes[name].kill(),
        lambda testbed: testbed.processes[name].start(),
    )


def paused(name: str) -> Fault:
    return Fault(
        f"{_kind(name)} paused",
        f"{name} is paused",
        frozenset({name}),
        lambda testbed: testbed.processes[name].pause(),
        lambda testbed: testbed.processes[name].resume(),
    )


def plane_killed(name: str) -> Fault:
    return Fault(
        f"{name} killed",
        f"{name} is killed",
        frozenset({name}),
        lambda testbed: testbed.plane.kill_process(name),
        lambda testbed: testbed.plane.revive(name),
        LONGEST_OF_PLANE_S,
    )


def plane_paused(name: str) -> Fault:
    return Fault(
        f"{name} paused",
        f"{name} is paused",
        frozenset({name}),
        lambda testbed: testbed.plane.pause_process(name),
        lambda testbed: testbed.plane.resume_process(name),
        LONGEST_OF_PLANE_S,
    )


def disk_full() -> Fault:
    return Fault(
        "etcd's disk full",
        "etcd's disk is full",
        frozenset({ETCD}),
        lambda testbed: testbed.plane.fill_disk(),
        lambda testbed: testbed.plane.free_disk(),
        LONGEST_OF_PLANE_S,
    )


def slow(one: str, other: str, seconds: float) -> Fault:
    what = f"{one} and {other} are {seconds * 1000:.0f} ms apart, each way"
    return _between("network slow", what, {(one, other): seconds, (other, one): seconds})


def cut_one_way(one: str, other: str) -> Fault:
    return _between(
        "network cut one way", f"nothing gets from {one} to {other}", {(one, other): CUT}
    )


def cut(one: str, other: str) -> Fault:
    what = f"nothing gets between {one} and {other}"
    return _between("network cut both ways", what, {(one, other): CUT, (other, one): CUT})


def _between(kind: str, what: str, delays: dict[tuple[str, str], float]) -> Fault:
    def begin(testbed: Testbed) -> None:
        for (source, destination), delay in delays.items():
            testbed.network.set_delay(source, destination, delay)

    def end(testbed: Testbed) -> None:
        for source, destination in delays:
            testbed.network.set_delay(source, destination, 0)

    links = frozenset("-".join(sorted(pair)) for pair in delays)
    return Fault(kind, what, links, begin, end)


def _kind(name: str) -> str:
    return name.partition("-")[0]


def _link(random: Random) -> tuple[str, str]:
    """Pick two machines that talk to each other, either of them first."""
    operator = random.choice(OPERATORS)
    other = random.choice((HOST, HOST, *ENGINES))
    return (operator, other) if random.random() < 0.5 else (other, operator)


KINDS: tuple[tuple[float, Callable[[Random], Fault]], ...] = (
    (4, lambda random: killed(random.choice(OPERATORS))),
    (4, lambda random: paused(random.choice(OPERATORS))),
    (4, lambda random: killed(random.choice(ENGINES))),
    (4, lambda random: paused(random.choice(ENGINES))),
    (2, lambda _random: plane_killed(API_SERVER)),
    (2, lambda _random: plane_paused(API_SERVER)),
    (2, lambda _random: plane_killed(ETCD)),
    (2, lambda _random: plane_paused(ETCD)),
    (2, lambda _random: disk_full()),
    (4, lambda random: slow(*_link(random), random.uniform(0.05, 1.0))),
    (6, lambda random: cut_one_way(*_link(random))),
    (4, lambda random: cut(*_link(random))),
)


def faults(random: Random, storm_s: float) -> Iterator[Fault]:
    """Yield faults for ever: first one of each kind, in a random order, then by weight."""
    longest = min(LONGEST_S, SHARE * storm_s)
    weights = [weight for weight, _ in KINDS]
    kinds = [make for _, make in KINDS]
    random.shuffle(kinds)
    yield from (_timed(make(random), random, longest) for make in kinds)
    while True:
        _, make = random.choices(KINDS, weights)[0]
        yield _timed(make(random), random, longest)


def _timed(fault: Fault, random: Random, longest: float) -> Fault:
    # Most are short; the long ones outlast leases, deadlines and gRPC's patience.
    longest = min(longest, fault.at_most)
    seconds = SHORTEST_S + (longest - SHORTEST_S) * random.random() ** 2
    return replace(fault, seconds=seconds, gap=random.uniform(0.5, LONGEST_GAP_S))
