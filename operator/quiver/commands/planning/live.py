"""What there is in the cluster, as far as whoever runs a plan may list it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.commands.cluster import ALL
from quiver.commands.planning.manifests import Manifests
from quiver.control.cache.relisting import WATCHED
from quiver.control.cache.trim import trim
from quiver.domain.kubernetes_types import (
    POD,
    SERVICE,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Kind,
    Manifest,
)
from quiver.domain.manifests import engine_of
from quiver.domain.merging import LAST_APPLIED
from quiver.domain.text import one_line
from quiver.ports.errors import ApiRefused, NotFound

KINDS = (VECTOR_COLLECTION, VECTOR_ENGINE, POD, SERVICE)


class NotInstalled(Exception):
    """The cluster has no CustomResourceDefinition of Quiver's."""


@dataclass
class Live:
    """Trimmed objects, and the manifests that `kubectl apply` noted on them.

    `unseen` says, by kind and namespace, why objects there could not be listed. `is_whole` tells
    whether all namespaces were.
    """

    objects: dict[Kind, dict[Key, Manifest]] = field(
        default_factory=lambda: {kind: {} for kind in KINDS}
    )
    last_applied: dict[tuple[Kind, Key], str] = field(default_factory=dict)
    unseen: dict[tuple[Kind, str], str] = field(default_factory=dict)
    is_whole: bool = True

    def why_unseen(self, kind: Kind, namespace: str) -> str | None:
        return self.unseen.get((kind, namespace))


async def look(api: KubernetesClient, manifests: Manifests, pruned: str | None) -> Live:
    """List all namespaces; or, if that is not allowed, those of the manifests, of their engines,
    and `pruned`.

    Raises: ApiRefused if the collections in a namespace of the manifests may not be listed;
    ApiUnavailable; NotInstalled.
    """
    looking = _Looking(api, manifests)
    try:
        for kind in KINDS:
            await looking.list(kind, ALL)
    except NotFound as error:
        raise NotInstalled from error
    except ApiRefused:
        if pruned == ALL:
            raise
        await looking.at_some({key.namespace for _, key in manifests.written}, pruned)
    return looking.live


class _Looking:
    def __init__(self, api: KubernetesClient, manifests: Manifests) -> None:
        self._api = api
        self._written = manifests.written
        self.live = Live()

    async def list(self, kind: Kind, namespace: str) -> None:
        listing = await self._api.list(kind, WATCHED[kind], namespace, partial(self._kept, kind))
        self.live.objects[kind] |= {Key.of(m): m for m in listing.items}

    async def at_some(self, namespaces: set[str], pruned: str | None) -> None:
        self.live.is_whole = False
        own = namespaces | ({pruned} if pruned else set())
        for namespace in sorted(own):
            await self.list(VECTOR_COLLECTION, namespace)
        for namespace in sorted(own | set(self._of_engines())):
            for kind in (VECTOR_ENGINE, POD, SERVICE):
                try:
                    await self.list(kind, namespace)
                except ApiRefused as error:
                    self.live.unseen[kind, namespace] = one_line(str(error), 300)

    def _of_engines(self) -> Iterator[str]:
        written = (w.manifest for w in self._written.values() if w.kind == VECTOR_COLLECTION)
        for manifest in (*written, *self.live.objects[VECTOR_COLLECTION].values()):
            yield from _namespace_of_engine(manifest)

    def _kept(self, kind: Kind, manifest: Manifest) -> Manifest:
        written = (kind, Key.of(manifest))
        annotations = manifest["metadata"].get("annotations") or {}
        if written in self._written and LAST_APPLIED in annotations:
            self.live.last_applied[written] = annotations[LAST_APPLIED]
        return trim(kind, manifest)


def _namespace_of_engine(manifest: Manifest) -> Iterable[str]:
    spec = manifest.get("spec")
    if isinstance(spec, dict) and isinstance(spec.get("engineRef"), dict):
        key = engine_of(manifest)
        if key is not None and isinstance(key.namespace, str):
            yield key.namespace
