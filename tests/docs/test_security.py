"""What the page on security refers to exists."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security.md"


def test_every_test_that_is_named_exists() -> None:
    """A threat is not left without its test when that is renamed or removed."""
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    code = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    defined = set(re.findall(r"^(?:async )?def (test_\w+)", code, re.MULTILINE))
    assert named
    assert named - defined == set()


def test_every_attempt_has_a_test() -> None:
    """Each row of the table of threats names at least one test."""
    _, section = PAGE.read_text().split("## What an attacker may try", 1)
    rows = re.findall(r"^\| .* \|$", section.split("\n## ", 1)[0], re.MULTILINE)[1:]
    assert rows
    assert [row for row in rows if "`test_" not in row] == []
