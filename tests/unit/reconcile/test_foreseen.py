"""What a plan says of a decision."""

import msgspec
import pytest

from quiver.domain.collection_schemas import ObservedIndex, ObservedLoad
from quiver.domain.engines import VectorEngine
from quiver.domain.indexes import Index
from quiver.domain.plans import Action
from quiver.ports.errors import EngineUnreachable
from quiver.reconcile.collections.decide import decide
from quiver.reconcile.collections.foreseen import Foreseen, foresee, is_unheard
from quiver.reconcile.collections.gathered import Gathered
from support.builders import claimed, collection, engine
from support.gathered import FOUND, HELD, gathered, going

HNSW = {"type": "HNSW", "params": {"M": 16}}
IVF = {"type": "IVF_FLAT", "params": {"nlist": 64}}
MILVUS = msgspec.convert(engine(spec={"type": "Milvus"}), VectorEngine)


def foreseen(found: Gathered) -> Foreseen:
    return foresee(found, decide(found))


def observed(index: dict[str, object] | None) -> ObservedIndex:
    return ObservedIndex(index=None if index is None else msgspec.convert(index, Index))


def test_a_collection_that_is_gone_is_made_anew_and_empty() -> None:
    found = foreseen(gathered(claimed(HELD)))
    assert found.action is Action.CREATE
    assert found.what[0].endswith("which is gone from the engine, anew and empty")


def test_many_partitions_are_one_phrase() -> None:
    tags = [f"p{number}" for number in range(7)]
    found = foreseen(gathered(claimed(HELD, spec={"partitions": tags}), observed=FOUND))
    assert found.what == ("add partitions p0, p1, p2, p3, p4 and 2 more",)


@pytest.mark.parametrize(
    ("state", "interrupts"), [("Loaded", True), ("Loading", True), ("NotLoaded", False)]
)
def test_an_index_that_milvus_replaces_interrupts_a_loaded_collection(
    state: str, interrupts: bool
) -> None:
    manifest = claimed(HELD, spec={"index": IVF}, status={"index": None})
    memory = msgspec.convert({"state": state}, ObservedLoad)
    facts = {"engine": MILVUS, "observed": FOUND, "index": observed(None), "memory": memory}
    found = foreseen(gathered(manifest, **facts))
    assert found.interrupts is interrupts


def test_an_index_that_comes_first_interrupts_nothing() -> None:
    manifest = claimed(HELD, spec={"index": HNSW})
    assert not foreseen(gathered(manifest, observed=FOUND, index=observed(None))).interrupts
    assert foreseen(gathered(manifest, observed=FOUND, index=observed(IVF))).interrupts


def test_what_goes_is_dropped_once_its_engine_answers() -> None:
    found = foreseen(gathered(going(), failure=EngineUnreachable("no answer")))
    assert (found.action, found.dropped) == (Action.DROP, ("test01",))


def test_what_goes_and_is_not_empty_waits() -> None:
    manifest = going(spec={"deletionPolicy": "DeleteIfEmpty"})
    assert foreseen(gathered(manifest, observed=FOUND, rows=3)).action is Action.WAITS
    assert foreseen(gathered(manifest, observed=FOUND)).action is Action.DROP


def test_a_silent_engine_is_no_answer() -> None:
    silent = gathered(collection(), failure=EngineUnreachable("no answer"))
    assert is_unheard(silent, decide(silent))
    heard = gathered(collection())
    assert not is_unheard(heard, decide(heard))
