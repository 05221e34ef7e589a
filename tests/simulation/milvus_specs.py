"""What specs ask of the engines of type Milvus, which have names of their own."""

from quiver.domain.kubernetes_types import Manifest
from support.fake_server import FakeCollection
from support.milvus_memory import MilvusCollection

MILVUS_ENGINES = ("mil", "mil-too")
OWNER = "quiver.dev/owner"
"""The property by which Quiver marks whose a collection is: the object's uid."""

SET = "quiver.dev/properties"
"""The property that names those that Quiver has set."""
ANOTHER = "uid-of-another"
"""The mark that another installation of Quiver makes."""


def is_on_milvus(manifest: Manifest) -> bool:
    """Tell whether a VectorCollection refers to an engine of type Milvus."""
    return bool(manifest["spec"]["engineRef"]["name"] in MILVUS_ENGINES)


def is_own(key: str) -> bool:
    """Tell whether only Quiver sets the property."""
    return key.startswith("quiver.dev/")


def is_anothers(found: FakeCollection, uid: str) -> bool:
    """Tell whether a collection has the mark of another object than this one."""
    mark = found.properties.get(OWNER) if isinstance(found, MilvusCollection) else None
    return mark not in (None, "", uid)


def database_of(manifest: Manifest) -> str:
    return str(manifest["spec"].get("milvus", {}).get("database", "default"))


def is_to_be_loaded(manifest: Manifest) -> bool:
    return bool(manifest["spec"].get("milvus", {}).get("load", {}).get("enabled", True))


def copies_of(manifest: Manifest) -> int:
    return int(manifest["spec"].get("milvus", {}).get("load", {}).get("replicas", 1))


def properties_of(manifest: Manifest) -> dict[str, str]:
    return dict(manifest["spec"].get("milvus", {}).get("properties", {}))
