"""What is known of an engine's collections without a look at each of them."""

from quiver.control.cache.by_engine import is_converged
from quiver.control.cache.cache import Cache
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key, Manifest
from support.builders import KEYS, NAMESPACE, claim, claimed, collection, intended


def standing(status: str, observed: int, **metadata: object) -> Manifest:
    manifest = collection(generation=2, **metadata)
    condition = {"type": "Ready", "status": status}
    return {**manifest, "status": {"observedGeneration": observed, "conditions": [condition]}}


def test_settled_is_what_is_ready_as_it_is_now_and_is_to_stay() -> None:
    """A new object, a changed one, one that is not Ready and one that is to go are not settled."""
    assert is_converged(standing("True", 2))
    assert not is_converged(standing("True", 1))
    assert not is_converged(standing("False", 2))
    assert not is_converged(standing("True", 2, deletionTimestamp="2026-01-01T00:00:00Z"))
    assert not is_converged(collection())


def load(*manifests: Manifest) -> int:
    """Return how many collections and partitions count on the member of the claims."""
    cache = Cache(KEYS)
    for manifest in manifests:
        cache.put(VECTOR_COLLECTION, manifest)
    return cache.load_of(Key(NAMESPACE, "engine")).members.get("engine-0", 0)


def test_a_claim_counts_with_the_partitions_that_were_reserved_with_it() -> None:
    """They may exist, though an operator that was killed has not written so into the status."""
    wanted = {"partitions": ["a", "b"]}
    assert load(intended(claim(), spec=wanted, reserved=2)) == 3


def test_a_spec_that_asks_for_more_after_the_claim_takes_no_room() -> None:
    """The signed number counts, which a tenant cannot change."""
    assert load(intended(claim(), spec={"partitions": ["a", "b", "c"]}, reserved=1)) == 2


def test_the_status_says_what_counts_once_there_is_one() -> None:
    """Partitions count as the status has them, whatever was reserved."""
    manifest = claimed(claim(), status={"partitions": ["a"]})
    assert load(manifest) == 2
