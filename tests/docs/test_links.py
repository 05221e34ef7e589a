"""Nothing in the documentation leads nowhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOT_PAGES = tuple(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG"))
PAGES = (*ROOT_PAGES, *sorted((ROOT / "docs").glob("*.md")))
ENGINE_PAGE_WORDS = 1500
CHART = ROOT / "charts" / "quiver" / "README.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files(page: Path) -> None:
    """Every relative link of a page leads to a file of the repository."""
    prose = re.sub(r"`[^`]*`", "", page.read_text())
    targets = re.findall(r"\]\(([^)#\s]+)", prose)
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_page_can_be_reached_from_the_first() -> None:
    """Whoever begins at docs/README.md finds every page of docs/ by links."""
    found, waiting = set[Path](), [ROOT / "docs" / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in found:
            found.add(page)
            links = re.findall(r"\]\(([^)#:\s]+\.md)", page.read_text())
            waiting += [(page.parent / link).resolve() for link in links]
    assert sorted(page.name for page in PAGES if page not in (*ROOT_PAGES, *found)) == []


def test_a_page_has_one_subject() -> None:
    """The pages of the engine are short enough to be read at once, tables of measurements apart."""
    written = {page.name: _prose(page) for page in PAGES if page.name.startswith("engine")}
    assert {name: words for name, words in written.items() if words > ENGINE_PAGE_WORDS} == {}


def _prose(page: Path) -> int:
    text = re.sub(r"<!-- (\w+): begin -->.*<!-- \1: end -->", "", page.read_text(), flags=re.DOTALL)
    return len(text.split())


def _anchors(page: Path) -> set[str]:
    """Return what GitHub calls the page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text).lower().replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", [*PAGES, CHART], ids=lambda page: str(page.relative_to(ROOT)))
def test_anchors_lead_to_headings(page: Path) -> None:
    """Every link to a part of a page leads to a heading of that page."""
    links = re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text())
    local = [(page.parent / to if to else page, part) for to, part in links if "://" not in to]
    assert [part for to, part in local if part not in _anchors(to)] == []


@pytest.mark.parametrize("page", PAGES[:2], ids=lambda page: page.name)
def test_make_commands_exist(page: Path) -> None:
    """Every `make` command that README and CONTRIBUTING name is a target of the Makefile."""
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named
    assert named <= targets


def test_folders_of_contributing_exist() -> None:
    """The folders and files that CONTRIBUTING names in code exist."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_.]*)`", text)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
