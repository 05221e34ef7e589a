"""How a collection on Milvus must stand once its object says that it is available."""

from collections.abc import Iterator, Mapping

from quiver.domain.collections import Index
from quiver.domain.kubernetes_types import Manifest
from simulation.engines import Fleet, Home
from simulation.milvus import ModelMilvus
from simulation.milvus_safety import MilvusSafety
from simulation.milvus_specs import OWNER, copies_of, is_to_be_loaded, properties_of
from support.milvus_memory import MilvusCollection


class MilvusOutcome:
    """Judges the state at rest."""

    def __init__(self, fleet: Fleet, safety: MilvusSafety) -> None:
        self._fleet = fleet
        self._safety = safety

    def complaints(self, manifest: Manifest, home: Home, name: str) -> Iterator[str]:
        """Yield what is not as the spec says, to follow "it is Available"."""
        engine = self._fleet.at_home(home)
        assert isinstance(engine, ModelMilvus)
        found, uid = engine.found(name), manifest["metadata"]["uid"]
        yield from _about_index(manifest, found)
        yield from _about_load(manifest, found)
        if found.properties.get(OWNER) != uid:
            yield f"and is marked as {found.properties.get(OWNER)}'s"
        set_for_it = {k for k, owner in self._safety.set_for(home, name).items() if owner == uid}
        yield from _about_properties(properties_of(manifest), found.properties, set_for_it)


def _about_index(manifest: Manifest, found: MilvusCollection) -> Iterator[str]:
    wanted, metric = manifest["spec"].get("index"), manifest["spec"].get("metricType", "L2")
    if found.metric != metric:
        yield f"with an index for {found.metric}, not {metric}"
    is_met = found.index is None
    if wanted is not None:
        index = Index(type=wanted["type"], params=wanted.get("params", {}))
        is_met = index.is_met_by(found.index)
    if not is_met:
        yield f"with index {found.index}, not {wanted}"


def _about_load(manifest: Manifest, found: MilvusCollection) -> Iterator[str]:
    is_loaded, copies = found.load.state == "Loaded", copies_of(manifest)
    if is_loaded != is_to_be_loaded(manifest):
        yield f"and is {found.load.state}"
    elif is_loaded and found.load.replicas != copies:
        yield f"and is loaded {found.load.replicas} times, not {copies}"
    said = manifest["status"].get("milvus", {}).get("load")
    if said != found.load.state:
        yield f"and says that it is {said}, while it is {found.load.state}"


def _about_properties(
    wanted: Mapping[str, str], found: Mapping[str, str], set_for_it: set[str]
) -> Iterator[str]:
    for key, value in wanted.items():
        if found.get(key) != value:
            yield f"with {key} {found.get(key)}, not {value}"
    for key in set_for_it - wanted.keys() - {OWNER}:
        if key in found:
            yield f"with {key}, which was taken off its spec"
