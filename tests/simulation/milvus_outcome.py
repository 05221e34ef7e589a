"""How a collection on Milvus must stand at rest, and what else its object may say."""

from collections.abc import Iterator, Mapping

from quiver.domain.claims import is_released
from quiver.domain.indexes import Index
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Manifest
from quiver.domain.manifests import uid_of
from simulation.api_server import ApiServer
from simulation.engines import Fleet, Home
from simulation.history import fits
from simulation.milvus import ModelMilvus
from simulation.milvus_form_outcome import about_form
from simulation.milvus_form_safety import FormSafety
from simulation.milvus_forms import (
    Version,
    is_growth_too_new,
    is_too_new,
    schema_of,
    version_of,
)
from simulation.milvus_safety import MilvusSafety
from simulation.milvus_specs import (
    MILVUS_ENGINES,
    OWNER,
    copies_of,
    is_anothers,
    is_on_milvus,
    is_own,
    is_to_be_loaded,
    properties_of,
)
from support.milvus_memory import MilvusCollection

Place = tuple[Home, str]
"""A server, and the name of a collection there."""

CANNOT_DELETE = ("v2.4",)
"""Versions of which no property can be taken away."""


class MilvusOutcome:
    """Judges the state at rest."""

    def __init__(
        self, server: ApiServer, fleet: Fleet, safety: MilvusSafety, forms: FormSafety
    ) -> None:
        self._server = server
        self._fleet = fleet
        self._safety = safety
        self._forms = forms

    def complaints(self, manifest: Manifest, place: Place | None) -> Iterator[str]:
        """Yield what is not as the spec says, to follow "it is Available"."""
        if place is None:
            return
        found, uid = self._engine(place[0]).found(place[1]), manifest["metadata"]["uid"]
        schema = schema_of(manifest)
        if schema is None:
            yield from _about_index(manifest, found)
        else:
            yield from about_form(manifest, schema, found, self._forms.noted(*place, uid))
        yield from _about_load(manifest, found)
        if found.properties.get(OWNER) != uid:
            yield f"and is marked as {found.properties.get(OWNER)}'s"
        left = self._left_of(manifest, place)
        yield from _about_properties(properties_of(manifest), found.properties, left)

    def about_engine(self, manifest: Manifest) -> Iterator[str]:
        """Yield what an engine says that is not so."""
        if manifest["metadata"]["name"] not in MILVUS_ENGINES:
            return
        home = self._fleet.server_behind(manifest["spec"]["external"]["endpoints"][0])
        version, said = self._engine(home).told_version, manifest["status"].get("version")
        if said != version:
            yield f"says that it is {said}, not {version}"

    def reason_before(
        self, manifest: Manifest, engine: Manifest, place: Place | None, *, is_mine: bool
    ) -> str:
        """Return what keeps Quiver from looking at the collection; empty if nothing does."""
        if place is None or not is_on_milvus(manifest):
            return ""
        home, name = place
        database = name.rpartition("/")[0]
        may_make_it = engine["spec"].get("milvus", {}).get("createDatabases", False)
        if database and database not in self._engine(home).databases and not may_make_it:
            return "DatabaseNotFound"
        return "NameTaken" if self._has_other_mark(manifest, place, is_mine=is_mine) else ""

    def is_too_new(self, manifest: Manifest, home: Home) -> bool:
        """Tell whether the server can have no collection of the object's long form."""
        schema = schema_of(manifest)
        return schema is not None and is_too_new(schema, self._version_at(home))

    def stays_small(self, manifest: Manifest, place: Place | None) -> bool:
        """Tell whether the version cannot add or change what the spec has more."""
        schema, found = schema_of(manifest), self._found(manifest, place)
        if schema is None or found is None or place is None:
            return False
        return is_growth_too_new(schema, found.form, self._version_at(place[0]))

    def keeps_properties(self, manifest: Manifest, place: Place | None) -> bool:
        """Tell whether the version deletes no properties, and some were taken off the spec."""
        found = self._found(manifest, place)
        if found is None or place is None:
            return False
        is_old = self._engine(place[0]).told_version.startswith(CANNOT_DELETE)
        left = self._left_of(manifest, place) & found.properties.keys()
        return is_old and bool(left)

    def is_alias(self, manifest: Manifest, place: Place | None) -> bool:
        """Tell whether the name leads to a collection of another name."""
        found = self._found(manifest, place)
        return found is not None and place is not None and found.schema.name != place[1]

    def is_aliased(self, manifest: Manifest, place: Place | None) -> bool:
        """Tell whether the collection would be dropped, if no aliases led to it."""
        found = self._found(manifest, place)
        if found is None or place is None or not fits(manifest, found.schema):
            return False
        is_left = is_anothers(found, manifest["metadata"]["uid"])
        return bool(found.aliases) and not is_left

    def has_other_metric(self, manifest: Manifest, place: Place | None, *, is_mine: bool) -> bool:
        """Tell whether the index has a metric that Quiver does not change: it builds an index that
        the spec names anew, once the collection is the object's.
        """
        if schema_of(manifest) is not None or (is_mine and "index" in manifest["spec"]):
            return False
        found = self._found(manifest, place)
        return found is not None and found.metric not in (None, metric_of(manifest))

    def _has_other_mark(self, manifest: Manifest, place: Place, *, is_mine: bool) -> bool:
        """Tell whether another owner has marked the collection: one that exists here, or, of a
        collection that the object has claimed, any since then.
        """
        found, uid = self._found(manifest, place), manifest["metadata"]["uid"]
        if found is None or not is_anothers(found, uid):
            return False
        others = (m for m in self._server.all(VECTOR_COLLECTION) if not is_released(m))
        is_here = found.properties[OWNER] in map(uid_of, others)
        adopts = manifest["spec"]["adoptionPolicy"] != "Never"
        if not is_mine:
            return is_here and adopts
        return is_here or self._safety.is_marked_since(*place, uid)

    def _left_of(self, manifest: Manifest, place: Place) -> set[str]:
        """Return the properties that were set for the object, and that its spec has no more."""
        uid, set_for = manifest["metadata"]["uid"], self._safety.set_for(*place)
        set_for_it = {key for key, owner in set_for.items() if owner == uid}
        return {key for key in set_for_it - properties_of(manifest).keys() if not is_own(key)}

    def _found(self, manifest: Manifest, place: Place | None) -> MilvusCollection | None:
        """Return what the name leads to, if only as an alias."""
        if place is None or not is_on_milvus(manifest):
            return None
        return self._engine(place[0]).named(place[1])

    def _version_at(self, home: Home) -> Version:
        return version_of(self._engine(home).told_version)

    def _engine(self, home: Home) -> ModelMilvus:
        engine = self._fleet.at_home(home)
        assert isinstance(engine, ModelMilvus)
        return engine


def metric_of(manifest: Manifest) -> str:
    return str(manifest["spec"].get("metricType", "L2"))


def _about_index(manifest: Manifest, found: MilvusCollection) -> Iterator[str]:
    """Where the spec names no index, that of a client stays."""
    wanted, metric = manifest["spec"].get("index"), metric_of(manifest)
    if found.metric != metric:
        yield f"with an index for {found.metric}, not {metric}"
    if wanted is not None:
        index = Index(type=wanted["type"], params=wanted.get("params", {}))
        if not index.is_met_by(found.index):
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
    wanted: Mapping[str, str], found: Mapping[str, str], left: set[str]
) -> Iterator[str]:
    for key, value in wanted.items():
        if found.get(key) != value:
            yield f"with {key} {found.get(key)}, not {value}"
    for key in left & found.keys():
        yield f"with {key}, which was taken off its spec"
