"""What several pages could say stands on one, and is so."""

import re
from pathlib import Path

from quiver.control.work.backoff import Backoff
from quiver.control.work.breakers import PROBING
from quiver.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
KINDS_OF_CHANGE = (
    *("Before you upgrade", "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"),
)
PAGES = (*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md")), ROOT / "charts/quiver/README.md")


def test_how_often_something_is_tried_again() -> None:
    """The page on operations has the intervals of the code, and the page on conditions has none of
    its own but that of the engine.
    """
    operations = (DOCS / "operations.md").read_text()
    silent, refused = PROBING, Backoff()
    assert (silent.cap, Settings().resync_period, Settings().verify_period) == (120, 60, 600)
    less_and_less = "then less and less, at last every"
    assert f"after {silent.base:g} s, {less_and_less} one to two minutes |" in operations
    at_last = f"{refused.cap / 2:g} to {refused.cap:g} s"
    assert f"after {refused.base:g} s, {less_and_less} {at_last} |" in operations
    conditions = (DOCS / "conditions.md").read_text()
    recovery = re.findall(r"^\| `.* \| ([^|]*) \|$", conditions, re.MULTILINE)
    timed = [cell for cell in recovery if re.search(r"minute|second|\d", cell)]
    assert timed == ["yes: it is tried again, by Quiver's engine each minute"]


def test_the_states_of_a_collection_are_drawn_once() -> None:
    """One page has the picture, and the page on concepts leads to it."""
    drawn = [page.name for page in PAGES if "stateDiagram" in page.read_text()]
    assert drawn == ["collections.md"]
    assert "(collections.md)" in (DOCS / "concepts.md").read_text()


def test_argo_cd_has_one_page() -> None:
    """What it needs is told there, and pages that speak of Argo CD lead to it."""
    speaking = [page for page in PAGES if "Argo" in page.read_text() and page.name != "gitops.md"]
    assert [page.name for page in speaking if "gitops.md" not in page.read_text()] == []


def test_readme_says_what_quiver_is_not() -> None:
    """In five lines, before a reader has tried anything."""
    readme = (ROOT / "README.md").read_text()
    told = readme.split("## What it is not\n", 1)[1].split("\n## ", 1)[0]
    lines = told.strip().splitlines()
    words = ("one copy", "one pod", "No backups", "No passwords", "Milvus 1.x")
    assert len(lines) == len(words)
    assert [word for word, line in zip(words, lines, strict=True) if word not in line] == []


def test_the_changelog_is_one_that_is_kept() -> None:
    """In the form of Keep a Changelog, with what has to be done before an upgrade on top."""
    parts = re.split(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert re.match(r"\[Unreleased\]", parts[1])
    for section in parts[2::2]:
        kinds = re.findall(r"^### (.+)$", section, re.MULTILINE)
        assert kinds == [kind for kind in KINDS_OF_CHANGE if kind in kinds]
