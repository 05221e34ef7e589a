"""The page of conditions and the code tell the same reasons."""

import re
from pathlib import Path

from quiver.domain.reasons import EVENTS, Reason

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conditions.md"


def _sections() -> dict[str, set[str]]:
    parts = re.split(r"^## (.+)$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    titles, texts = parts[::2], parts[1::2]
    return {
        title: set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
        for title, text in zip(titles, texts, strict=True)
    }


def test_every_reason_has_its_row_and_every_row_its_reason() -> None:
    """Each reason that a condition can carry stands on the page, and no other does."""
    sections = _sections()
    told = sections["VectorCollection"] | sections["VectorEngine"]
    assert told == {reason.value for reason in Reason}


def test_every_event_that_the_code_publishes_has_its_row() -> None:
    """Each reason of an event stands on the page, and no other does."""
    folder = Path(__file__).resolve().parents[2] / "operator" / "quiver" / "reconcile"
    code = "\n".join(path.read_text() for path in folder.rglob("*.py"))
    published = set(re.findall(r'Event\(\s*[^,]+,\s*"(\w+)"', code))
    assert _sections()["Events"] == published


def test_every_event_is_known_by_type_and_reason() -> None:
    """Metrics count the events of this list, and the page says what each means."""
    section = PAGE.read_text().partition("\n## Events\n")[2]
    told = re.findall(r"^\| `(\w+)` \| (\w+) \|", section, re.MULTILINE)
    assert {(type_, reason) for reason, type_ in told} == set(EVENTS)
