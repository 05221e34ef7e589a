"""What a step rests on, confirmed just before it is carried out."""

import asyncio

from quiver.domain.kubernetes_types import POD, VECTOR_COLLECTION, VECTOR_ENGINE, Key, Manifest
from quiver.domain.manifests import version_of
from quiver.domain.members import GRPC_PORT, Member
from quiver.ports.errors import Conflict, NotFound, WrongEngine
from quiver.ports.kubernetes import Objects
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.identities import Identities

TRUSTED_S = 1.0
"""How long a confirmation holds: of the object's version, and of the member's identity. Two steps
are closer together, unless the process was suspended in between.
"""
RECENT_S = 10.0
"""How old the reads at the beginning of a step may be when the engine is told to change something.
Honest answers take less; a process that was suspended while it waited for one takes longer.
"""


class Preconditions:
    """Confirms them for the steps of one reconcile. A confirmation serves the next steps too, while
    they follow one another closely.
    """

    def __init__(self, gathered: Gathered, objects: Objects, identities: Identities) -> None:
        self._gathered = gathered
        self._objects = objects
        self._identities = identities
        self._is_present = False
        self._is_member = False
        self._is_asked = True
        self._begun_at = gathered.asked_at

    def begin_step(self) -> None:
        """Distrust what was confirmed long ago."""
        now = asyncio.get_running_loop().time()
        if now - self._begun_at > TRUSTED_S:
            self._is_present = self._is_member = self._is_asked = False
        self._begun_at = now

    def object_was_written(self) -> None:
        """Take note of a write that the API server has accepted."""
        self._is_present = True

    async def object_is_unchanged(self, manifest: Manifest) -> None:
        """Confirm the object's version. Raises: NotFound, Conflict, ApiError."""
        if self._is_present:
            return
        key = self._gathered.collection.metadata.key
        found = await self._objects.fetch(VECTOR_COLLECTION, key)
        if found is None:
            raise NotFound(f"VectorCollection {key} is gone")
        if version_of(found) != version_of(manifest):
            raise Conflict(f"VectorCollection {key} has changed since")
        self._is_present = True

    async def member_is_the_same(self) -> None:
        """Confirm that the member still has the identity that was gathered, and that the pod itself
        reported it, not another server that has the pod's address by now.

        If the claim records the instance, Quiver's engine refuses calls for another instance. A
        server without an instance does not, and may have taken over the address while this process
        was suspended. Raises: WrongEngine, Conflict, EngineError, ApiError.
        """
        g = self._gathered
        if g.server is None or g.member is None:
            return
        if not self._is_asked:
            if await self._identities.ask(g.engine_there, g.member) != g.server:
                raise WrongEngine(f"{g.member.name} is another server than a moment ago")
            self._is_asked = True
        claimed = g.claim.server if g.claim is not None else None
        is_known = g.server.instance is not None and claimed == g.server.identity
        if g.member.pod is not None and not is_known and not self._is_member:
            await self._pod_has_its_address(g.member, g.member.pod)
            self._is_member = True

    def engine_takes_collections(self) -> None:
        """Confirm that the engine has not begun to go: with its pods, what is new would go. The
        engine is deleted once the cache shows it no claim. Raises: Conflict.
        """
        key = self._gathered.collection.engine_key
        engine = self._objects.get(VECTOR_ENGINE, key)
        if engine is None or "deletionTimestamp" in engine["metadata"]:
            raise Conflict(f"VectorEngine {key} is being deleted")

    def reads_are_recent(self) -> None:
        """Confirm that the step began a moment ago. Raises: Conflict."""
        if asyncio.get_running_loop().time() - self._begun_at > RECENT_S:
            key = self._gathered.collection.metadata.key
            raise Conflict(f"what was read of VectorCollection {key} is no longer recent")

    async def _pod_has_its_address(self, member: Member, name: str) -> None:
        key = Key(self._gathered.collection.engine_key.namespace, name)
        pod = await self._objects.fetch(POD, key)
        address = pod.get("status", {}).get("podIP", "") if pod is not None else ""
        if member.address not in (f"{address}:{GRPC_PORT}", f"[{address}]:{GRPC_PORT}"):
            raise Conflict(f"Pod {key} has another address by now")
