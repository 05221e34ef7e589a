"""What a release takes from the changelog."""

from datetime import date

import pytest

from release.changelog import Section, problems, section

TODAY = date(2030, 5, 17)
CHANGELOG = """\
# Changelog

## [Unreleased]

## [0.2.0] - 2030-05-17

### Before you upgrade

[Upgrading](docs/operations.md#upgrading) has the steps.

- Drain first: [how](docs/drain.md).

### Fixed

- A search that
  ended early goes on.
- [A name](https://example.org) is read.

## [0.1.0] - 2030-01-02

- The first one.
"""


def test_a_section_ends_where_the_next_begins() -> None:
    """Of two versions each has its own text, and its date."""
    found, first = section(CHANGELOG, "0.2.0"), section(CHANGELOG, "0.1.0")
    assert found is not None
    assert first is not None
    assert (found.date, first.date) == ("2030-05-17", "2030-01-02")
    assert found.body.startswith("### Before you upgrade")
    assert found.body.endswith("is read.")
    assert first.body == "- The first one."
    assert section(CHANGELOG, "0.1") is None


def test_a_changelog_of_a_release_is_taken() -> None:
    """With a section that has a date and entries, and nothing above it, there is no complaint."""
    assert list(problems(CHANGELOG, "0.2.0", TODAY)) == []


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("[0.2.0] - 2030-05-17", "[0.1.9] - 2030-05-17", "Write `## [0.2.0] - 2030-05-17` in"),
        ("[0.2.0] - 2030-05-17", "[0.2.0]", "no date for 0.2.0. Write it as `## [0.2.0] - 2030"),
        ("[0.2.0] - 2030-05-17", "[0.2.0] - 17.5.2030", "there is `17.5.2030`"),
        ("[Unreleased]\n", "[Unreleased]\n\n- One more.\n", "Move them to `[0.2.0]`"),
        ("[0.2.0] - 2030-05-17\n", "[0.2.0] - 2030-05-17\n\n## [0.1.5]\n", "says nothing of 0.2.0"),
    ],
)
def test_what_is_missing_is_said_with_what_to_write(before: str, after: str, told: str) -> None:
    """One message for what keeps the changelog from being that of a release."""
    [problem] = problems(CHANGELOG.replace(before, after), "0.2.0", TODAY)
    assert told in problem


def test_artifact_hub_is_told_each_entry() -> None:
    """Each is one line of text, under one of the kinds that Artifact Hub knows."""
    found = section(CHANGELOG, "0.2.0")
    assert found is not None
    assert list(found.changes()) == [
        {"kind": "changed", "description": "Drain first: how."},
        {"kind": "fixed", "description": "A search that ended early goes on."},
        {"kind": "fixed", "description": "A name is read."},
    ]


def test_links_of_the_notes_lead_to_the_repository() -> None:
    """Where its address is known, relative links lead there, and others stay."""
    told = Section("1.0.0", "2030-05-17", "[a](docs/a.md#b), [c](https://example.org), [d](#d)")
    notes = told.notes("Quiver 1.0.0", "https://git.example.org/quiver/blob/v1.0.0")
    assert "[a](https://git.example.org/quiver/blob/v1.0.0/docs/a.md#b)" in notes
    assert "[c](https://example.org), [d](#d)" in notes
    assert "[a](docs/a.md#b)" in told.notes("Quiver 1.0.0", "")
