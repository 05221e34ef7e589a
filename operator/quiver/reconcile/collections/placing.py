"""Find a place for a collection that has no claim, and set room and name aside there."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from quiver.domain.claims import places_of
from quiver.domain.fit import GPU_MEMORY_LABEL
from quiver.domain.members import Member
from quiver.domain.objects import NODE, Key, Manifest
from quiver.domain.placement import choose_member
from quiver.ports.errors import Conflict
from quiver.ports.kubernetes import Objects
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.ownership import claim_for, elders_of, holder
from quiver.reconcile.collections.reservations import Reservations, Wish

Identify = Callable[[Gathered], Awaitable[Gathered]]
"""Asks the member who it is, if it can be asked."""


class Placing:
    """Places one object, in one reconcile."""

    def __init__(self, objects: Objects, reservations: Reservations, identify: Identify) -> None:
        self._objects = objects
        self._reservations = reservations
        self._identify = identify

    async def of(
        self,
        found: Gathered,
        refreshed: Callable[[Gathered], Gathered],
        is_welcome: Callable[[str], Awaitable[bool]],
    ) -> Gathered:
        """`refreshed` brings members and load up to date; `is_welcome` tells whether the engine
        takes a namespace.

        Raises: ApiError; Conflict while another object is about to claim the name, and where a
        claim turns out not to have lapsed.
        """
        elders = [
            m for m in elders_of(found, self._objects) if await is_welcome(Key.of(m).namespace)
        ]
        found = await self._chosen(found, refreshed)
        server, lapsed = found.server, found.lapsed
        if server is not None and lapsed is not None and server.is_of(lapsed):
            raise Conflict(f"{found.member_name} is the server that it was after all")
        # From here to the reservation nothing is awaited: nobody else takes room or name meanwhile.
        found = self._reserved(found, elders)
        return replace(found, gpu_mib=await self._gpu_mib(found))

    async def _chosen(self, found: Gathered, refreshed: Callable[[Gathered], Gathered]) -> Gathered:
        """Choose a member whose identity is known; while one is asked, another may become best."""
        asked: dict[str, Gathered] = {}
        while True:
            found = refreshed(found)
            member = _member(found)
            found = replace(found, member=member)
            if member is None or not member.ready:
                return found
            if member.address in asked:
                answer = asked[member.address]
                return replace(
                    found,
                    server=answer.server,
                    asked_at=answer.asked_at,
                    report=answer.report,
                    is_borrowed=answer.is_borrowed,
                )
            asked[member.address] = await self._identify(found)

    def _reserved(self, found: Gathered, elders: list[Manifest]) -> Gathered:
        key = found.collection.metadata.key
        wish = _wish(found)
        other = holder(found, self._objects, elders)
        rival = self._reservations.rival(key, wish)
        if other is None and rival is not None:
            # What comes of it is known in a moment; until then there is nothing to say.
            raise Conflict(f"VectorCollection {rival} is about to claim the name")
        has_room = found.lapsed is None or found.grows_within_limits
        if other is None and found.server is not None and has_room:
            self._reservations.reserve(key, wish)
        return replace(found, holder=other)

    async def _gpu_mib(self, found: Gathered) -> int | None:
        """Read what GPU Feature Discovery says of the node: asked once, before anything is made."""
        member, engine = found.member, found.engine
        if member is None or member.node is None or engine is None or engine.spec.gpu is None:
            return None
        node = await self._objects.fetch(NODE, Key("", member.node))
        label = node["metadata"].get("labels", {}).get(GPU_MEMORY_LABEL, "") if node else ""
        return int(label) if label.isascii() and label.isdigit() else None


def _wish(found: Gathered) -> Wish:
    key = found.collection.engine_key
    size = found.growth if found.lapsed is not None else found.size
    return Wish(key, found.member_name, places_of(claim_for(found), key), size)


def _member(found: Gathered) -> Member | None:
    """A collection that was lost with its server's data comes back where clients look for it."""
    if found.lapsed is not None:
        return next((m for m in found.members if m.name == found.lapsed.member), None)
    if not found.has_share:
        return None
    return choose_member(found.members, found.load.members, found.size, found.limit)
