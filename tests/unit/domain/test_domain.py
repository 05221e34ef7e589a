"""Names, quantities, conditions and placement."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from quiver.domain.collection_names import default_collection_name, qualified_name, split_name
from quiver.domain.collections import VectorCollection
from quiver.domain.conditions import State, Verdict, conditions_for
from quiver.domain.deletion import DeletionPolicy, deletion_policy
from quiver.domain.engines import EngineStatus, LabelSelector
from quiver.domain.fit import needed_mib
from quiver.domain.manifests import collection_name_of
from quiver.domain.members import Member
from quiver.domain.placement import choose_member
from quiver.domain.quantities import mebibytes, parse_quantity
from quiver.domain.reasons import Reason
from support.builders import collection

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
LATER = datetime(2024, 5, 1, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("test01", "test01"), ("my-docs.v2", "my_docs_v2"), ("2024-news", "_2024_news")],
)
def test_an_object_name_becomes_one_that_engines_take(name: str, expected: str) -> None:
    """`-` and `.` become `_`; a leading digit gets one in front."""
    assert default_collection_name(name) == expected


@pytest.mark.parametrize(
    ("database", "expected"), [(None, "docs"), ("default", "docs"), ("db", "db/docs")]
)
def test_a_name_in_a_database(database: str | None, expected: str) -> None:
    """It is the name alone in the default one, and leads back to both."""
    assert qualified_name(database, "docs") == expected
    assert split_name(expected) == (database or "default", "docs")
    milvus = {} if database is None else {"milvus": {"database": database}}
    manifest = collection("docs", spec=milvus)
    assert collection_name_of(manifest) == expected
    assert msgspec.convert(manifest, VectorCollection).collection_name == expected


def test_what_was_retained_in_a_database_is_known_by_both_names() -> None:
    """One of the same name in another database is another."""
    retained = {"address:h:1/db/docs": "team-a/3", "address:h:1/docs": "team-a/5"}
    status = EngineStatus(retained=retained)
    assert status.retained_of("team-a", but="db/docs") == 5
    assert status.retained_of("team-a", but="docs") == 3
    assert status.retained_by("address:h:1/db/docs") == "team-a"


@pytest.mark.parametrize(
    "milvus",
    [
        {"properties": {"quiver.dev/owner": "me"}},
        {"properties": {f"p{n}": "v" for n in range(33)}},
        {"properties": {"p" * 257: "v"}},
        {"properties": {"p": "v" * 1025}},
        {"database": "a/b"},
    ],
)
def test_what_a_looser_crd_let_through_is_not_decoded(milvus: Any) -> None:
    """Properties that are too many or too long, and what would be read as another name."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(collection(spec={"milvus": milvus}), VectorCollection)


@pytest.mark.parametrize(
    "params", [{f"p{n}": n for n in range(33)}, {"p": "v" * 257}, {"p" * 257: 1}, {"p": 1.5}]
)
def test_parameters_that_a_looser_crd_let_through_are_not_decoded(params: Any) -> None:
    """They would be sent to an engine as they are."""
    spec = {"index": {"type": "DISKANN", "params": params}}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(collection(spec=spec), VectorCollection)


@pytest.mark.parametrize(
    ("text", "value"), [("500m", 0.5), ("2", 2), (3, 3), ("1Ki", 1024), ("1k", 1000), ("1e3", 1000)]
)
def test_quantities_have_values(text: str | int, value: float) -> None:
    """Binary, decimal and exponent forms are read as Kubernetes reads them."""
    assert parse_quantity(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "ten", "1 Gi", "1GiB"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    """The error shows the text and what would do."""
    with pytest.raises(ValueError, match="not a quantity"):
        parse_quantity(text)


def test_mebibytes_are_rounded_up() -> None:
    """A GPU has to have at least what is asked for."""
    assert [mebibytes("40Gi"), mebibytes("1"), mebibytes("40G")] == [40960, 1, 38147]


def test_reconciling_and_stalled_are_there_only_while_true() -> None:
    """Kstatus takes any Reconciling or Stalled condition at its word."""
    ready = conditions_for(Verdict.ready("here"), generation=3, previous=(), now=NOON)
    assert [(c.type, c.status) for c in ready] == [("Ready", "True")]
    stalled = Verdict.stalled(Reason.ALREADY_EXISTS, "taken")
    told = conditions_for(stalled, generation=3, previous=ready, now=NOON)
    assert [(c.type, c.status) for c in told] == [("Ready", "False"), ("Stalled", "True")]


def test_a_transition_time_moves_only_with_its_status() -> None:
    """A new message, reason or generation is no transition."""
    first = conditions_for(Verdict.ready("one"), generation=1, previous=(), now=NOON)
    second = conditions_for(Verdict.ready("two"), generation=2, previous=first, now=LATER)
    assert second[0].last_transition_time == first[0].last_transition_time == "2024-05-01T12:00:00Z"
    waiting = Verdict.reconciling(Reason.ENGINE_NOT_READY, "waiting")
    third = conditions_for(waiting, generation=2, previous=second, now=LATER)
    assert third[0].last_transition_time == "2024-05-01T13:00:00Z"


def member(name: str, *, ready: bool = True, leaving: bool = False) -> Member:
    return Member(name, "Quiver", f"{name}:19530", f"{name}:19530", ready, name, leaving)


def test_the_least_loaded_ready_member_with_room_is_chosen() -> None:
    """Unready, leaving and full members get nothing."""
    members = [member("a"), member("b"), member("c", ready=False), member("d", leaving=True)]
    chosen = choose_member(members, {"a": 5, "b": 4}, 1, 4096)
    assert chosen is not None
    assert chosen.name == "b"


def test_a_member_whose_disk_is_full_comes_last() -> None:
    """However few collections it holds; where all disks are full, the least loaded is chosen."""
    full = [member("a")._replace(is_full=True), member("b")._replace(is_full=True)]
    load = {"a": 1, "b": 2, "c": 9}
    for members, expected in (([*full, member("c")], "c"), (full, "a")):
        chosen = choose_member(members, load, 1, 4096)
        assert chosen is not None
        assert chosen.name == expected


@pytest.mark.parametrize(("size", "fits"), [(1, True), (2, False)])
def test_collections_and_partitions_together_stay_below_the_limit(size: int, fits: bool) -> None:
    """4,096 in all: 4,095 are there, one more fits, two do not."""
    assert (choose_member([member("a")], {"a": 4095}, size, 4096) is not None) is fits


@pytest.mark.parametrize(
    ("chosen", "origin", "default", "holds"),
    [
        (None, "Created", None, "Delete"),
        (None, "Created", "DeleteIfEmpty", "DeleteIfEmpty"),
        (None, "Adopted", "Delete", "Retain"),
        ("Delete", "Adopted", "Retain", "Delete"),
    ],
)
def test_the_deletion_policy_that_holds(
    chosen: DeletionPolicy | None, origin: str, default: DeletionPolicy | None, holds: str
) -> None:
    """The object's own; else Retain if adopted; else the engine's default; else Delete."""
    assert deletion_policy(chosen, origin, default) == holds


def test_a_segment_needs_its_vectors_their_ids_and_what_faiss_sets_aside() -> None:
    """1,024 MB of 256 floats are 1,048,576 rows: 8 MiB of ids, and 1.5 GiB on a large GPU."""
    assert needed_mib(1024, 256, "L2", gpu_mib=40960) == 1024 + 8 + 1536
    assert needed_mib(1024, 256, "HAMMING", gpu_mib=4096) == 1024 + 256 + 512


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({}, True),
        ({"matchLabels": {"team": "a"}}, True),
        ({"matchLabels": {"team": "b"}}, False),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["a", "b"]}]}, True),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}, False),
        ({"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "gpu", "operator": "DoesNotExist"}]}, True),
    ],
)
def test_label_selectors_select_as_kubernetes_does(selector: dict[str, Any], matches: bool) -> None:
    """All labels and all expressions have to match; an empty selector takes everything."""
    assert msgspec.convert(selector, LabelSelector).matches({"team": "a"}) is matches


def test_a_suspended_object_keeps_its_ready_condition() -> None:
    """Hands off: what was last known of the collection still stands."""
    ready = conditions_for(Verdict.ready("here"), generation=1, previous=(), now=NOON)
    suspended = Verdict(State.SUSPENDED, Reason.SUSPENDED, "hands off")
    told = conditions_for(suspended, generation=2, previous=ready, now=LATER)
    assert told[0] == ready[0]
    assert [(c.type, c.status) for c in told[1:]] == [("Suspended", "True")]
