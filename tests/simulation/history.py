"""What objects were, as of late: whoever acts may have been told before the latest change."""

from collections.abc import Iterator

from quiver.domain.kubernetes_types import Key, Kind, Manifest
from simulation.admission import ABSENT
from simulation.api_server import Write


class History:
    """All versions of the objects of some kinds."""

    def __init__(self, *kinds: Kind) -> None:
        self._versions: dict[Kind, dict[Key, list[tuple[float, Manifest | None]]]] = {
            kind: {} for kind in kinds
        }

    def note(self, write: Write) -> None:
        if write.kind in self._versions and write.old is not write.new:
            versions = self._versions[write.kind].setdefault(write.key, [])
            versions.append((write.at, write.new))

    def keys(self, kind: Kind) -> Iterator[Key]:
        yield from self._versions[kind]

    def since(self, kind: Kind, key: Key, moment: float) -> Iterator[Manifest | None]:
        """Yield what the object was at `moment` and later; None where there was none."""
        versions = self._versions[kind].get(key, [])
        for at, manifest in reversed(versions):
            yield manifest
            if at < moment:
                return
        yield None


def engine_key(manifest: Manifest) -> Key:
    reference = manifest["spec"]["engineRef"]
    namespace = reference.get("namespace") or manifest["metadata"]["namespace"]
    return Key(namespace, reference["name"])


def schema_of(manifest: Manifest) -> tuple[str, int, int, str]:
    """Return what is fixed of the collection: name, dimension, segment size, metric."""
    spec = manifest["spec"]
    name = spec.get("collectionName")
    if not name:
        name = manifest["metadata"]["name"].replace("-", "_").replace(".", "_")
        name = f"_{name}" if name[0].isdigit() else name
    fixed = {**ABSENT, **spec}
    return name, fixed["dimension"], fixed["indexFileSize"], fixed["metricType"]
