"""What the API server says of each change, by dry runs."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from quiver.adapters.kubernetes.dry_run import DryRuns, Foretold
from quiver.commands.planning.live import Live
from quiver.commands.planning.manifests import Manifests, Written
from quiver.control.cache.trim import trim
from quiver.domain.kubernetes_types import Key, Kind, Manifest
from quiver.domain.merging import applying_patch
from quiver.domain.text import one_line
from quiver.ports.errors import ApiError, ApiUnavailable, Conflict, NotFound

AT_ONCE = 16
TRIES, PAUSE_S = 3, 1.0
WORDS = 1000
NOTHING = "{}"
"""What `kubectl apply` takes for applied last where nobody has noted it."""
Item = TypeVar("Item")
Object = tuple[Kind, Key]


@dataclass
class Answers:
    """What the API server answered, by object: as it would be, why not, and its warnings.

    `new` are in no namespace yet that exists, but in one of the manifests.
    """

    objects: dict[Object, Manifest] = field(default_factory=dict)
    refusals: dict[Object, str] = field(default_factory=dict)
    warnings: dict[Object, tuple[str, ...]] = field(default_factory=dict)
    homeless: set[Object] = field(default_factory=set)
    going: set[Object] = field(default_factory=set)


async def each(items: Iterable[Item], do: Callable[[Item], Awaitable[None]]) -> None:
    """Do it for each item, in their order, some at a time."""
    left = iter(items)

    async def work() -> None:
        for item in left:
            await do(item)

    tasks = [asyncio.create_task(work()) for _ in range(AT_ONCE)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Asking:
    """Asks the API server. Raises: ApiUnavailable."""

    def __init__(
        self, dry_runs: DryRuns, live: Live, manifests: Manifests, done: Callable[[], None]
    ) -> None:
        """`done` is called after each answer."""
        self._dry_runs = dry_runs
        self._live = live
        self._manifests = manifests
        self._done = done
        self.server_side = False
        self.answers = Answers()

    async def apply(self, written: Written) -> None:
        of = written.kind, written.key
        try:
            answer = await _patiently(lambda: self._applied(written))
        except ApiUnavailable:
            raise
        except NotFound as error:
            if written.key.namespace in self._manifests.namespaces:
                self.answers.homeless.add(of)
            else:
                self.answers.refusals[of] = one_line(str(error), WORDS)
        except Conflict as error:
            self.answers.refusals[of] = (
                f"{one_line(str(error), WORDS)}. Whoever applies with force takes the fields over: "
                "plan with --force-conflicts then"
            )
        except ApiError as error:
            self.answers.refusals[of] = one_line(str(error), WORDS)
        else:
            self._take(of, answer)
        self._done()

    async def delete(self, of: Object) -> None:
        try:
            answer = await _patiently(lambda: self._dry_runs.delete(*of))
        except ApiUnavailable:
            raise
        except ApiError as error:
            self.answers.refusals[of] = one_line(str(error), WORDS)
        else:
            self.answers.going.add(of)
            if answer.warnings:
                self.answers.warnings[of] = answer.warnings
        self._done()

    async def _applied(self, written: Written) -> Foretold:
        kind, key, manifest = written.kind, written.key, written.manifest
        last = None if self.server_side else self._live.last_applied.get((kind, key))
        if last is None:
            answer = await self._dry_runs.apply(kind, manifest)
            if self.server_side or not _is_others(answer.manifest):
                return answer
            last = NOTHING
        return await self._dry_runs.merge(kind, key, applying_patch(last, manifest))

    def _take(self, of: Object, answer: Foretold) -> None:
        self.answers.objects[of] = trim(of[0], answer.manifest)
        if answer.warnings:
            self.answers.warnings[of] = answer.warnings


def _is_others(manifest: Manifest) -> bool:
    """Tell whether fields of the spec are of somebody who did not apply them server-side."""
    entries = manifest["metadata"].get("managedFields") or ()
    return any("f:spec" in e.get("fieldsV1", {}) and e["operation"] == "Update" for e in entries)


async def _patiently(send: Callable[[], Awaitable[Foretold]]) -> Foretold:
    """Try again where the API server has too much to do."""
    for left in range(TRIES - 1, -1, -1):
        try:
            return await send()
        except ApiUnavailable:
            if left == 0:
                raise
            await asyncio.sleep(PAUSE_S)
    raise AssertionError("the last try returns or raises")
