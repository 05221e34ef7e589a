"""Leader election by client-go's rules: the operator that keeps renewing a Lease leads.

Times of different machines are never compared. A lease expires when this process has not seen it
change for its duration. Who held a lease that was deleted may lead on. So a candidate makes it anew
in the name of SOMEBODY, and it expires as any other, unless the leader takes it back.
"""

import asyncio
import logging
import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from quiver.control.claim_keys import has_keys
from quiver.control.leader.leadership import Leadership
from quiver.control.observe.metrics import Metrics
from quiver.control.observe.readiness import Readiness
from quiver.domain.kubernetes_types import (
    MANAGED_BY,
    MANAGED_BY_LABEL,
    Key,
    Kind,
    Manifest,
)
from quiver.ports.api import Api
from quiver.ports.clock import Clock
from quiver.ports.errors import ApiError, ApiRefused, Conflict, NotFound

log = logging.getLogger(__name__)

LEASE = Kind("coordination.k8s.io", "v1", "leases", "Lease")
LEASE_NAME = "quiver-operator"
SOMEBODY = "holder-of-a-deleted-lease"
JITTER = 0.2
RELEASE_S = 3.0


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The timing of leader election, in seconds.

    A leader stops writing `renew` after its last renewal, and the lease expires after `duration`.
    The gap between them is for writes without an answer: none arrives later than that after it has
    timed out. `uniform` spreads the attempts of the candidates.
    """

    duration: int = 15
    renew: float = 10.0
    retry: float = 2.0
    uniform: Callable[[float, float], float] = random.uniform


class Election:
    """One candidate.

    It needs an API client of its own. The operator's calls must not delay renewals, and the
    election's writes must not require leadership, which they decide.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        identity: str,
        leadership: Leadership,
        clock: Clock,
        terms: Terms | None = None,
    ) -> None:
        """`identity` must be unique to this process, also after a restart."""
        self._api = api
        self._key = Key(namespace, LEASE_NAME)
        self._identity = identity
        self._leadership = leadership
        self._clock = clock
        self._terms = terms or Terms()
        self._version = ""
        self._seen: Manifest = {}
        self._seen_at = 0.0

    @asynccontextmanager
    async def term(self, readiness: Readiness, metrics: Metrics) -> AsyncIterator[None]:
        """Wait to be elected, then lead. On exit, release the lease as soon as no write of this
        process can arrive any more.

        The metric of leadership is 1 while this process leads. Raises: NotLeading, in a group, when
        the lease is lost.
        """
        leading = metrics.leading.labels(LEASE_NAME)
        leading.set(0)
        await self._campaign(readiness)
        leading.set(1)
        log.info("%s leads", self._identity)
        try:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self._keep(), name="keep the lease")
                yield
                keeping.cancel()
        finally:
            leading.set(0)
            await self._release()

    async def _campaign(self, readiness: Readiness) -> None:
        while True:
            try:
                leader = await self._try_to_acquire()
            except Conflict:
                pass  # another candidate was faster
            except ApiError as error:
                readiness.blocked(
                    f"the lease {self._key} cannot be acquired: {error}; trying again"
                )
            else:
                if leader is None:
                    return
                readiness.standing_by(leader)
            await asyncio.sleep(self._terms.retry * self._terms.uniform(1, 1 + JITTER))

    async def _try_to_acquire(self) -> str | None:
        """Acquire the lease if it is free, and return None; else return the pod that holds it."""
        asked, is_first = self._leadership.now(), False
        try:
            lease = await self._api.get(LEASE, self._key)
        except NotFound:
            lease = await self._create({**self._held_from_now(), "holderIdentity": SOMEBODY})
            # A leader makes the keys before it does anything else: without them none has led.
            is_first = not await has_keys(self._api, self._key.namespace)
        spec = lease.get("spec", {})
        holder: str = spec.get("holderIdentity") or ""
        if not is_first and not self._is_free(spec):
            return holder.rpartition("_")[0] or holder
        won = await self._api.patch(LEASE, self._key, self._claim(lease))
        self._version = won["metadata"]["resourceVersion"]
        self._leadership.begin(asked + self._terms.renew)
        return None

    async def _create(self, spec: Manifest) -> Manifest:
        metadata = {
            "namespace": self._key.namespace,
            "name": self._key.name,
            "labels": {MANAGED_BY_LABEL: MANAGED_BY},
        }
        try:
            return await self._api.create(LEASE, {"metadata": metadata, "spec": spec})
        except ApiRefused as error:
            raise ApiRefused(
                f"it does not exist, and the operator may not create it: {error}."
                " Give its service account the right to create Leases in this namespace"
            ) from error

    def _is_free(self, spec: Manifest) -> bool:
        if not spec.get("holderIdentity"):
            return True
        if spec != self._seen:
            self._seen, self._seen_at = spec, self._leadership.now()
        duration: int = spec.get("leaseDurationSeconds", self._terms.duration)
        return self._leadership.now() - self._seen_at >= duration

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._terms.retry)
            self._leadership.require()
            try:
                async with asyncio.timeout(self._leadership.remaining):
                    await self._renew()
            except (ApiError, TimeoutError) as error:
                why = str(error) or "no answer"
                log.warning("the lease %s was not renewed: %s", self._key, why)

    async def _renew(self) -> None:
        asked = self._leadership.now()
        try:
            lease = await self._patch_or_create()
        except Conflict:
            # The lease was changed, perhaps by this process in a call whose answer was lost.
            lease = await self._api.get(LEASE, self._key)
            holder = lease["spec"].get("holderIdentity")
            if holder not in (self._identity, SOMEBODY):
                self._leadership.lose(f"{holder or 'nobody'} has it now")
            self._version = lease["metadata"]["resourceVersion"]
            return
        self._version = lease["metadata"]["resourceVersion"]
        self._leadership.extend(asked + self._terms.renew)

    async def _patch_or_create(self) -> Manifest:
        renewed = self._patch(renewTime=self._moment(), holderIdentity=self._identity)
        try:
            return await self._api.patch(LEASE, self._key, renewed)
        except NotFound:
            return await self._create(self._held_from_now())

    async def _release(self) -> None:
        if self._leadership.remaining <= 0 or not self._leadership.resign():
            return
        wait = self._leadership.quiet_in(self._terms.duration - self._terms.renew)
        if wait == math.inf:
            log.warning("the lease %s is left to expire: a write is in progress", self._key)
            return
        await asyncio.sleep(wait)
        try:
            async with asyncio.timeout(RELEASE_S):
                # A renewal that was cancelled may have changed the version.
                lease = await self._api.get(LEASE, self._key)
                if lease["spec"].get("holderIdentity") == self._identity:
                    self._version = lease["metadata"]["resourceVersion"]
                    await self._api.patch(LEASE, self._key, self._patch(holderIdentity=None))
        except (ApiError, TimeoutError) as error:
            log.warning("the lease %s was not released: %s", self._key, str(error) or "no answer")

    def _claim(self, lease: Manifest) -> Manifest:
        self._version = lease["metadata"]["resourceVersion"]
        transitions = lease.get("spec", {}).get("leaseTransitions", 0) + 1
        return self._patch(**self._held_from_now(), leaseTransitions=transitions)

    def _held_from_now(self) -> dict[str, Any]:
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._terms.duration,
            "acquireTime": self._moment(),
            "renewTime": self._moment(),
        }

    def _patch(self, **spec: Any) -> Manifest:
        return {"metadata": {"resourceVersion": self._version}, "spec": spec}

    def _moment(self) -> str:
        return self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
