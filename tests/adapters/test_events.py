"""What happens again is counted in the Event that told it first."""

import copy
from typing import Any

import pytest

from quiver.adapters.clock import SystemClock
from quiver.adapters.kubernetes.events import NOTE_LIMIT, ApiEventRecorder
from quiver.adapters.kubernetes.series import NOTES, SUBJECTS, WINDOW_S, Repeats
from quiver.domain.kubernetes_types import Key, Kind, Manifest
from quiver.ports.errors import ApiRefused, NotFound
from quiver.ports.kubernetes import Event
from support.builders import collection

RECREATED = Event("Warning", "Recreated", "Create", "The collection was gone.")


class FakeEvents:
    """Keeps Events as the API server does, or fails."""

    def __init__(self) -> None:
        self.events: dict[Key, Manifest] = {}
        self.failure: Exception | None = None

    async def create(self, _kind: Kind, manifest: Manifest) -> Manifest:
        if self.failure is not None:
            raise self.failure
        self.events[Key.of(manifest)] = copy.deepcopy(manifest)
        return manifest

    async def patch(self, _kind: Kind, key: Key, patch: Manifest) -> Manifest:
        if key not in self.events:
            raise NotFound("no such event")
        assert set(patch) == {"series"}, "the API server lets nothing else be changed"
        assert patch["series"]["count"] >= 2, "the API server takes no less"
        self.events[key].update(patch)
        return self.events[key]

    def counts(self) -> list[tuple[str, int]]:
        """Return notes, and how often each was told."""
        return [(e["note"], e.get("series", {}).get("count", 1)) for e in self.events.values()]


class Setup:
    def __init__(self) -> None:
        self.api, self.hour = FakeEvents(), 1000.0
        self.repeats = Repeats(lambda: self.hour)
        api: Any = self.api
        self.recorder = ApiEventRecorder(api, SystemClock(), self.repeats)

    async def record(self, event: Event = RECREATED, name: str = "docs") -> None:
        await self.recorder.record(collection(name), event)


@pytest.fixture
def setup() -> Setup:
    return Setup()


async def test_the_same_again_is_counted(setup: Setup) -> None:
    """A hundred times the same is one Event, with the time of the last."""
    for _ in range(100):
        await setup.record()
    assert setup.api.counts() == [(RECREATED.note, 100)]
    (event,) = setup.api.events.values()
    assert event["series"]["lastObservedTime"] >= event["eventTime"]


async def test_what_is_not_the_same_is_told_by_itself(setup: Setup) -> None:
    """Another object, another reason, another partition."""
    dropped = Event("Normal", "PartitionDropped", "Drop", "Dropped partition 'a'.")
    await setup.record()
    await setup.record(name="other")
    await setup.record(dropped)
    await setup.record(dropped._replace(note="Dropped partition 'b'."))
    assert [count for _, count in setup.api.counts()] == [1, 1, 1, 1]


async def test_what_differs_only_in_words_is_not_told_for_ever(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    """After a number of notes the last one counts on, and the log has the words."""
    caplog.set_level("INFO")
    for number in range(NOTES + 5):
        await setup.record(RECREATED._replace(note=f"number {number}."))
    assert len(setup.api.events) == NOTES
    assert setup.api.counts()[-1] == (f"number {NOTES - 1}.", 6)
    assert f"number {NOTES + 4}." in caplog.text


async def test_after_a_while_it_is_new_again(setup: Setup) -> None:
    """A series ends when nothing was added to it for minutes."""
    await setup.record()
    setup.hour += WINDOW_S - 1
    await setup.record()
    setup.hour += WINDOW_S + 1
    await setup.record()
    assert setup.api.counts() == [(RECREATED.note, 2), (RECREATED.note, 1)]


async def test_an_event_that_the_api_server_has_forgotten_is_told_anew(setup: Setup) -> None:
    """Events live for an hour there, whatever is counted in them."""
    await setup.record()
    setup.api.events.clear()
    await setup.record()
    await setup.record()
    assert setup.api.counts() == [(RECREATED.note, 2)]


async def test_memory_is_bounded(setup: Setup) -> None:
    """Of a storm only the latest are remembered."""
    for number in range(SUBJECTS + 10):
        setup.repeats.begin(collection(f"docs-{number}"), RECREATED, f"event-{number}")
    assert len(setup.repeats) == SUBJECTS
    assert setup.repeats.again(collection("docs-0"), RECREATED) is None
    assert setup.repeats.again(collection(f"docs-{SUBJECTS}"), RECREATED) is not None


async def test_a_long_note_is_cut_to_what_the_api_takes(setup: Setup) -> None:
    """Notes are cut between characters, at 1,024 bytes."""
    await setup.record(RECREATED._replace(note="ä" * 2000))
    ((note, _),) = setup.api.counts()
    assert len(note.encode()) <= NOTE_LIMIT
    assert note.endswith("ä…")


async def test_an_event_that_fails_harms_nobody(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    """A refused event costs a line in the log, with what it would have said."""
    setup.api.failure = ApiRefused("namespace is terminating")
    await setup.record(Event("Normal", "Dropped", "Drop", "42 vectors are gone"))
    assert "42 vectors are gone" in caplog.text
