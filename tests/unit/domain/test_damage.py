"""Damaged segments are reported for as long as they are known to be there."""

import json
from datetime import UTC, datetime

import pytest

from quiver.adapters.milvus1.damage import COLLECTIONS, damage_in
from quiver.domain.damage import NO_DAMAGE, UNKNOWN, Damage, DamagedSegments, damage_condition
from quiver.domain.kubernetes_types import Condition

NOON, LATER = (datetime(2024, 5, 1, hour, tzinfo=UTC) for hour in (12, 13))
THREE = DamagedSegments(3, {"docs": 2, "images": 1})
SOUND = Damage({}, complete=True)


def condition_of(damage: Damage, *previous: Condition, now: datetime = NOON) -> Condition | None:
    found = damage_condition(damage, previous, 7, now)
    return found[0] if found else None


def test_damage_is_told_by_member_and_collection() -> None:
    """With how many segments are left out, and what to do."""
    damage = Damage({"engine-1": DamagedSegments(1, {}), "engine-0": THREE}, complete=True)
    found = condition_of(damage)
    assert found is not None
    assert (found.type, found.status, found.reason) == ("DataDamaged", "True", "SegmentsDamaged")
    assert found.message.startswith(
        "Damaged segments: 4. engine-0 has 3 ('docs' 2, 'images' 1); engine-1 has 1."
    )
    assert "restore them from a backup" in found.message


def test_the_condition_stands_while_there_is_damage() -> None:
    """Since it was found; it goes once every member has answered that it has none."""
    damage = Damage({"engine-0": THREE}, complete=True)
    first = condition_of(damage)
    assert first is not None
    assert condition_of(damage, first, now=LATER) == first
    assert condition_of(Damage({}, complete=False), first, now=LATER) == first
    assert condition_of(UNKNOWN, first) == first
    assert condition_of(SOUND, first) is None
    assert condition_of(UNKNOWN) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unknown command 'damaged': this engine knows version",
        "[]",
        "3",
        '{"segments": -1, "collections": {}}',
        '{"segments": 1e400, "collections": {}}',
        '{"segments": ' + "9" * 1000 + ', "collections": {}}',
        '{"segments": 1, "collections": {"docs": "many"}}',
        '{"segments": 1, "collections": ' + "[" * 10_000,
        '{"segments": 1, "collections": {}}' + " " * 100_000,
    ],
)
def test_what_is_no_answer_is_no_damage(text: str) -> None:
    """Other servers do not know the question, and some answer anything."""
    assert damage_in(text) == NO_DAMAGE


def test_a_hostile_answer_is_cut_and_cleaned() -> None:
    """Names with line breaks, long ones and many of them fit one line of the status."""
    names = {f"{n}\n\x1b[31m{'x' * 1000}": 1 for n in range(50)}
    found = damage_in(json.dumps({"segments": 2**31, "collections": names}))
    assert (found.total, len(found.by_collection)) == (2**31, COLLECTIONS)
    members = {f"member-{n}": found for n in range(64)}
    told = condition_of(Damage(members, complete=True))
    assert told is not None
    assert told.message.isprintable()
    assert len(told.message) <= 4096
    assert told.message.endswith("insert the vectors again.")
