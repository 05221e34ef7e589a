"""How a plan looks, in a merge request and elsewhere."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from quiver.adapters.kubernetes.dry_run import warnings_in
from quiver.cli import main
from quiver.commands.planning.output import Plan, as_json, as_markdown, as_table
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key
from quiver.domain.plans import Action, Change, Stake
from quiver.domain.row_sizes import RowSize

NEW = Change(
    kind=VECTOR_COLLECTION, key=Key("team", "new"), action=Action.CREATE, what=("create it",)
)
OLD = Change(
    kind=VECTOR_COLLECTION,
    key=Key("team", "old"),
    action=Action.DROP,
    what=("drop collection old",),
    stakes=(Stake("old", 2_000_000, RowSize(512)),),
)
BAD = Change(
    kind=VECTOR_COLLECTION,
    key=Key("team", "bad"),
    action=Action.REFUSED,
    reason="Invalid",
    message="a | <b>\nc [red]",
)
SAME = Change(kind=VECTOR_COLLECTION, key=Key("team", "s"), action=Action.NONE, is_change=False)
PLAN = Plan([NEW, SAME, BAD, OLD], {"Secret": 2}, ["look twice"])


def test_the_table_shows_what_changes(capsys: pytest.CaptureFixture[str]) -> None:
    as_table(PLAN)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["ACTION", "drop", "refused", "create"]
    assert lines[1].split()[2:6] == ["team/old", "2,000,000", "977", "MiB"]
    assert "a | <b> c [red]" in lines[2]
    assert lines[5] == "Plan: 1 to create, 1 to drop, 1 refused, 1 unchanged."
    assert lines[-2:] == ["Not Quiver's, and ignored: 2 Secret.", "Note: look twice"]


def test_bytes_that_are_only_the_least_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    """In each output; of no rows there are none."""
    size = RowSize(512, is_least=True)
    texts = replace(OLD, stakes=(Stake("old", 2_000_000, size),))
    plan = Plan([texts, replace(OLD, stakes=(Stake("empty", 0, size),))])
    as_table(plan)
    said = capsys.readouterr().out
    assert said.count("at least 977 MiB") == 2
    assert "at least 0" not in said
    assert "at least 977 MiB" in as_markdown(plan)
    found = json.loads(as_json(plan))
    assert [change["bytesAreAtLeast"] for change in found["changes"]] == [True, False]
    assert found["bytesAreAtLeast"] is True


def test_markdown_shows_texts_as_they_are() -> None:
    lines = as_markdown(PLAN).splitlines()
    assert lines[1] == "| --- | --- | --- | --- | --- |"
    assert r"Invalid: a \| \<b\> c \[red\]" in lines[3]
    assert all(line.count(" | ") == 4 for line in lines[:5])


def test_json_has_what_does_not_change_too() -> None:
    found = json.loads(as_json(PLAN))
    assert [change["name"] for change in found["changes"]] == ["old", "bad", "new", "s"]
    assert (found["rowsDropped"], found["bytesDropped"]) == (2_000_000, 1_024_000_000)
    assert (found["exitCode"], found["complete"]) == (3, True)


def test_help_tells_newcomers_what_they_need() -> None:
    text = CliRunner().invoke(main, ["plan", "--help"]).output
    assert text.count("quiver plan -f") == 2
    assert "Exit codes:\n" in text


def test_usage_errors_are_errors_and_no_changes() -> None:
    assert CliRunner().invoke(main, ["plan"]).exit_code == 1
    assert CliRunner().invoke(main, ["plan", "-f", "x", "--nonsense"]).exit_code == 1


def test_warnings_are_the_texts_of_their_headers() -> None:
    headers = ['299 - "one \\"quoted\\""', '299 - "two", 299 - "three"', "nonsense"]
    assert warnings_in(headers) == ('one "quoted"', "two", "three")
