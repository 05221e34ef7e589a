"""What `quiver check` concludes of objects."""

from typing import Any

import pytest

from quiver.commands.check_operator import contended
from quiver.commands.findings import failed, ok, warning, worst
from support.builders import engine


@pytest.mark.parametrize(
    ("findings", "level"),
    [
        ([], "ok"),
        ([ok("a", "b")], "ok"),
        ([warning("a", "b", "c"), ok("a", "b")], "warning"),
        ([failed("a", "b", "c"), warning("a", "b", "c")], "failed"),
    ],
)
def test_the_worst_finding_counts(findings: list[Any], level: str) -> None:
    assert worst(findings) == level


def test_what_is_found_is_one_printable_line() -> None:
    assert failed("engine", "a\x1b[2J\nb", "c\u202ed").says == "a [2J b"
    assert failed("engine", "a", "c\u202ed").cure == "c d"


def test_engines_that_two_operators_would_manage_are_a_warning() -> None:
    mine = engine(status={"managedBy": "one"})
    both = engine("both", status={"managedBy": "one", "contendedBy": "two"})
    assert contended([mine]) == []
    (finding,) = contended([mine, both])
    assert finding.level == "warning"
    assert "team-a/both (one manages it, two would)" in finding.says
