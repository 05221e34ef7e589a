"""Asks the pods that a spec no longer asks for which collections they hold without a claim.

What `deletionPolicy: Retain` has left, and what applications have made, is lost with a pod without
storage, and out of reach with the pod where its volume stays.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from quiver.domain.engines import Pod
from quiver.domain.members import Member, ordinal_of
from quiver.domain.text import one_line
from quiver.ports.engines import Engines
from quiver.ports.errors import EngineError

PODS_AT_ONCE = 8


class Unclaimed(NamedTuple):
    """What a pod beyond the replicas holds that no VectorCollection claims. `silence`, if set, is
    why the pod could not be asked.
    """

    ordinal: int
    names: tuple[str, ...] = ()
    silence: str | None = None


async def unclaimed_on(
    pods: Iterable[Pod],
    members: Iterable[Member],
    claimed: Mapping[int, Collection[str]],
    engine: str,
    engines: Engines,
) -> tuple[Unclaimed, ...]:
    """Return, by ordinal, each pod among `pods` that keeps itself; `claimed` has the names of
    collections that are claimed on each pod.

    A pod that was never ready holds nothing, or nothing that its volume does not keep.
    """
    turns = asyncio.Semaphore(PODS_AT_ONCE)
    known = {member.name: member for member in members}

    async def found_on(pod: Pod) -> Unclaimed | None:
        ordinal = ordinal_of(pod.metadata.name, engine)
        if ordinal is None or pod.metadata.deleting or not pod.was_ready:
            return None
        async with turns:
            return await _asked(known.get(pod.metadata.name), ordinal, claimed, engines)

    found: Sequence[Unclaimed | None] = await asyncio.gather(*map(found_on, pods))
    return tuple(sorted(each for each in found if each is not None))


async def _asked(
    member: Member | None, ordinal: int, claimed: Mapping[int, Collection[str]], engines: Engines
) -> Unclaimed | None:
    if member is None or not member.ready:
        return Unclaimed(ordinal, silence="it is not ready")
    try:
        present = await engines.at(member.target()).list_collections()
    except EngineError as error:
        return Unclaimed(ordinal, silence=one_line(str(error)))
    names = sorted(present - frozenset(claimed.get(ordinal, ())))
    return Unclaimed(ordinal, tuple(map(one_line, names))) if names else None
