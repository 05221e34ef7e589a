"""Checks of engines: whether they are Ready, and whether they answer from here."""

import asyncio
from collections.abc import Sequence

from quiver.commands.check_access import CallersAccess
from quiver.commands.cluster import Cluster
from quiver.commands.findings import Finding, failed, ok, warning
from quiver.commands.members import CallersMembers, NotAsked
from quiver.commands.reading import Reading
from quiver.commands.status_reading import PODS_OF_QUIVER
from quiver.domain.conditions import ready_message, ready_reason, ready_status
from quiver.domain.kubernetes_types import POD, Key, Manifest
from quiver.domain.members import Member
from quiver.domain.reasons import Reason
from quiver.domain.text import one_line
from quiver.ports.errors import PortError

MOST = 200
"""Engines that are asked. Each may be silent until its deadline."""
AT_ONCE = 16
DEADLINE_S = 10.0


async def check_engines(
    cluster: Cluster, engines: Sequence[Manifest], *, secrets: bool
) -> list[Finding]:
    """Ask the members of each engine for their version; without `secrets`, not those that take a
    Secret to be asked.
    """
    reading, turns = Reading(cluster.api), asyncio.Semaphore(AT_ONCE)
    pods = await reading.listed(POD, cluster.namespace, PODS_OF_QUIVER)
    access = CallersAccess(cluster.api, secrets=secrets)
    members = CallersMembers(cluster, pods, access)

    async def check(manifest: Manifest) -> Finding:
        async with turns:
            return await _Engine(cluster, manifest, members).check()

    try:
        findings = list(await asyncio.gather(*map(check, engines[:MOST])))
    finally:
        await access.close()
    if len(engines) > MOST:
        told = f"the first {MOST} of {len(engines)} were asked"
        findings.append(warning("engines", told, "name a namespace with -n"))
    return findings


class _Engine:
    def __init__(self, cluster: Cluster, manifest: Manifest, members: CallersMembers) -> None:
        self._cluster = cluster
        self._manifest = manifest
        self._members = members
        self._what = f"engine {Key.of(manifest)}"
        self._ready = ready_status(manifest) == "True"
        self._reason = ready_reason(manifest) or "Pending"

    async def check(self) -> Finding:
        told = f"{self._reason}: {ready_message(self._manifest) or 'the operator has not seen it'}"
        cure = f"see {one_line(self._reason)} in docs/conditions.md, and `quiver status`"
        if self._reason == Reason.ENDPOINT_REFUSED:
            return failed(self._what, told, cure)
        answers, silent = await self._asked()
        if not self._ready:
            new = [each for each in (*answers, *silent) if each.partition(": ")[2] not in told]
            here = f". From here: {'; '.join(new)}" if new else ""
            return failed(self._what, told + here, cure)
        if silent:
            cure = "nothing, if this machine has no way there: the operator reaches it"
            return warning(self._what, f"Ready, but from here: {'; '.join(silent)}", cure)
        if self._reason != Reason.AVAILABLE:
            return warning(self._what, "; ".join([told, *answers]), cure)
        return ok(self._what, "; ".join(["Ready", *answers]))

    async def _asked(self) -> tuple[list[str], list[str]]:
        """Return what members said, and why others said nothing."""
        try:
            _, own = await self._members.of(self._manifest)
        except NotAsked as error:
            return [], [str(error)]
        said = await asyncio.gather(*map(self._version, own))
        return [text for is_there, text in said if is_there], [t for there, t in said if not there]

    async def _version(self, member: Member) -> tuple[bool, str]:
        if member.refusal is not None:
            return False, f"{member.name}: {member.refusal.message}"
        try:
            async with asyncio.timeout(DEADLINE_S):
                version = await self._cluster.engines.at(member.target()).version()
        except TimeoutError:
            return False, f"{member.name}: no answer within {DEADLINE_S:g} s"
        except PortError as error:
            return False, f"{member.name}: {error}"
        return True, f"{member.name}: it answers, version {version}"
