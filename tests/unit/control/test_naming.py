"""Log lines say which object they are about."""

from quiver.control.cache.cache import Cache
from quiver.control.cache.log_fields import log_fields
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key
from support.builders import NAMESPACE, collection, engine


def test_a_collections_lines_name_it_its_engine_and_what_it_is_called_there() -> None:
    """Names and the uid, and nothing of what annotations may hold."""
    cache = Cache()
    secret = {"note": "token-1234"}
    cache.put(VECTOR_COLLECTION, collection("my-docs", annotations=secret))
    assert log_fields(cache, VECTOR_COLLECTION, Key(NAMESPACE, "my-docs")) == {
        "kind": "VectorCollection",
        "namespace": NAMESPACE,
        "name": "my-docs",
        "uid": "uid-of-my-docs",
        "engine": "engine",
        "collection": "my_docs",
    }


def test_an_engine_elsewhere_is_named_with_its_namespace() -> None:
    """Else two engines of one name could not be told apart."""
    cache = Cache()
    reference = {"name": "shared", "namespace": "platform"}
    cache.put(VECTOR_COLLECTION, collection("docs", spec={"engineRef": reference}))
    fields = log_fields(cache, VECTOR_COLLECTION, Key(NAMESPACE, "docs"))
    assert fields["engine"] == "platform/shared"


def test_an_engines_lines_name_it() -> None:
    """A search for the engine's name finds them along with those of its collections."""
    cache = Cache()
    cache.put(VECTOR_ENGINE, engine())
    fields = log_fields(cache, VECTOR_ENGINE, Key(NAMESPACE, "engine"))
    assert (fields["engine"], fields["uid"]) == ("engine", "uid-of-engine")


def test_an_object_that_is_gone_is_named_all_the_same() -> None:
    """Its key is all that is known."""
    fields = log_fields(Cache(), VECTOR_COLLECTION, Key(NAMESPACE, "gone"))
    assert fields == {"kind": "VectorCollection", "namespace": NAMESPACE, "name": "gone"}
