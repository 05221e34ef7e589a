"""The work of a plan: read, look, ask the API server, ask the operator's code."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import msgspec

from quiver.adapters.kubernetes.dry_run import DryRuns
from quiver.adapters.names import DnsNames
from quiver.commands.cluster import Cluster, Where, connected
from quiver.commands.planning.answers import Answers, Asking, Object, each
from quiver.commands.planning.engine_changes import engine_change
from quiver.commands.planning.future import Future
from quiver.commands.planning.live import Live, NotInstalled, look
from quiver.commands.planning.manifests import BadManifest, Manifests, read_manifests
from quiver.commands.planning.output import Plan
from quiver.commands.planning.planner import Planner, Reach
from quiver.commands.planning.read_only import ReadOnlyApi
from quiver.commands.progress import Progress, progress
from quiver.domain.addresses import AddressPolicy, Network
from quiver.domain.engines import Pod
from quiver.domain.kubernetes_types import (
    ENGINE_LABEL,
    POD,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Manifest,
)
from quiver.domain.manifests import engine_of
from quiver.domain.plans import Action, Change
from quiver.ports.errors import ApiRefused

HOMELESS = (
    "its namespace is in these manifests, and not in the cluster yet: the API server checks the "
    "object once it is"
)
ONLY_SOME = (
    "not all namespaces may be listed: names and room that objects elsewhere take on shared "
    "engines are not in this plan"
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options that say what is to be planned, and how it will be applied."""

    files: tuple[str, ...]
    prune: bool
    selector: str | None
    server_side: bool
    field_manager: str
    force_conflicts: bool
    cidrs: tuple[Network, ...]


class NotPossible(Exception):
    """There can be no plan."""


async def planned(where: Where, asked: Asked) -> Plan:
    """Raises: NoCluster, ApiUnavailable, BadManifest, NotPossible."""
    async with connected(where) as cluster:
        manifests = read_manifests(asked.files, cluster.namespace or None, sys.stdin)
        _check_namespaces(manifests, where)
        with progress() as begin:
            work = _Work(cluster, asked, manifests, begin)
            try:
                live = await look(cluster.api, manifests, work.pruned_namespace)
                pruned = await work.pruned()
            except NotInstalled as error:
                raise NotPossible("the cluster has no VectorCollections: install Quiver") from error
            except ApiRefused as error:
                raise NotPossible(f"what a plan reads may not be read: {error}") from error
            answers = await work.answers(live, pruned)
            return await work.foreseen(live, answers)


class _Work:
    def __init__(
        self, cluster: Cluster, asked: Asked, manifests: Manifests, progress: Progress
    ) -> None:
        self._cluster = cluster
        self._asked = asked
        self._manifests = manifests
        self._progress = progress

    @property
    def pruned_namespace(self) -> str | None:
        return self._cluster.namespace if self._asked.prune else None

    async def pruned(self) -> list[Object]:
        """Return what the selector selects and no manifest has."""
        if self._asked.selector is None:
            return []
        found = list[Object]()
        for kind in (VECTOR_COLLECTION, VECTOR_ENGINE):
            listing = await self._cluster.api.list(
                kind, self._asked.selector, self._cluster.namespace, _named_only
            )
            each_of = ((kind, Key.of(manifest)) for manifest in listing.items)
            found += (of for of in each_of if of not in self._manifests.written)
        return found

    async def answers(self, live: Live, pruned: list[Object]) -> Answers:
        asked, written = self._asked, self._manifests.written.values()
        done = self._progress("asking the API server", len(written) + len(pruned))
        dry_runs = DryRuns(self._cluster.api, asked.field_manager, force=asked.force_conflicts)
        asking = Asking(dry_runs, live, self._manifests, done)
        asking.server_side = asked.server_side
        await each(written, asking.apply)
        await each(pruned, asking.delete)
        return asking.answers

    async def foreseen(self, live: Live, answers: Answers) -> Plan:
        future, notes, names = (
            Future(live, answers, self._manifests.written),
            _notes(live),
            DnsNames(),
        )
        api, changes = self._cluster.api, list[Change]()
        reach = Reach(
            api=ReadOnlyApi(api, notes),
            strict_api=ReadOnlyApi(api, notes, strict=True),
            engines=self._cluster.engines,
            names=names,
            policy=AddressPolicy(allow=self._asked.cidrs),
        )
        planner = Planner(future, live, answers, reach)
        others = [(VECTOR_COLLECTION, key) for key in future.dependents()]
        objects = sorted((*answers.objects, *answers.going, *others), key=future.place)
        await self._cluster.engines.reach(_pods(future, objects))
        done = self._progress("asking engines", len(objects))

        async def plan_one(of: Object) -> None:
            kind, key = of
            if kind == VECTOR_COLLECTION:
                changes.append(await planner.collection(key))
            else:
                changes.append(await engine_change(key, future, answers, planner))
            done()

        try:
            await each(objects, plan_one)
        finally:
            await names.close()
        kept = {*answers.objects, *answers.going}
        shown = [c for c in changes if (c.kind, c.key) in kept or c.is_change]
        whole = (*shown, *_without_plan(answers))
        return Plan(
            changes=[self._described(change, answers) for change in whole],
            ignored=dict(self._manifests.ignored),
            notes=sorted(notes),
        )

    def _described(self, change: Change, answers: Answers) -> Change:
        of = change.kind, change.key
        written = self._manifests.written.get(of)
        source = written.source if written is not None else ""
        return replace(change, warnings=answers.warnings.get(of, ()), source=source)


def _without_plan(answers: Answers) -> Iterator[Change]:
    """Yield what the API server refuses, and what it cannot check yet."""
    for (kind, key), words in answers.refusals.items():
        yield Change(
            kind=kind, key=key, action=Action.REFUSED, reason="ByTheAPIServer", message=words
        )
    for kind, key in answers.homeless:
        yield Change(
            kind=kind, key=key, action=Action.WAITS, reason="NoNamespace", message=HOMELESS
        )


def _check_namespaces(manifests: Manifests, where: Where) -> None:
    """Raises: BadManifest for an object of another namespace than --namespace, as kubectl does."""
    for written in manifests.written.values():
        if where.namespace not in (None, written.key.namespace):
            raise BadManifest(
                f"{written.source}: namespace {written.key.namespace!r} is not that of"
                f" --namespace={where.namespace}; leave the option out"
            )


def _notes(live: Live) -> set[str]:
    if live.is_whole:
        return set()
    return {ONLY_SOME}


def _pods(future: Future, objects: list[Object]) -> Iterator[Pod]:
    """Yield the pods of the engines that these objects are about."""
    engines = {key for kind, key in objects if kind == VECTOR_ENGINE}
    for kind, key in objects:
        manifest = future.cache.get(kind, key) if kind == VECTOR_COLLECTION else None
        engine = engine_of(manifest) if manifest is not None else None
        engines |= {engine} if engine is not None else set()
    for manifest in future.cache.all(POD):
        metadata = manifest["metadata"]
        name = (metadata.get("labels") or {}).get(ENGINE_LABEL, "")
        if Key(metadata["namespace"], name) in engines:
            yield msgspec.convert(manifest, Pod)


def _named_only(manifest: Manifest) -> Manifest:
    metadata = manifest["metadata"]
    return {"metadata": {name: metadata[name] for name in ("namespace", "name")}}
