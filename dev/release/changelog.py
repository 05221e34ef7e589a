"""What the changelog says of one version, in the form of Keep a Changelog."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

UNRELEASED = "Unreleased"
SECTION = re.compile(r"^## \[(?P<name>[^\]\n]+)\](?P<rest>.*)$", re.MULTILINE)
KIND = re.compile(r"^### (.+)$", re.MULTILINE)
ENTRY = re.compile(r"^- (.+(?:\n  .*)*)", re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
RELATIVE = re.compile(r"(?<=\]\()(?![a-z]+:|#)")


@dataclass(frozen=True)
class Section:
    """What stands below the heading of a version."""

    name: str
    date: str
    """As it stands behind the name; empty where there is none."""
    body: str

    def notes(self, title: str, files: str) -> str:
        """The section as a page of its own.

        Its links to files of the repository lead below the address `files`, unless that is empty.
        """
        body = RELATIVE.sub(f"{files}/", self.body) if files else self.body
        return f"# {title}\n\n{body}\n"

    def changes(self) -> Iterator[dict[str, str]]:
        """The entries, as the annotation `artifacthub.io/changes` has them: without links."""
        before, *parts = KIND.split(self.body)
        for kind, text in zip(["Changed", *parts[::2]], [before, *parts[1::2]], strict=True):
            for entry in ENTRY.findall(text):
                words = " ".join(LINK.sub(r"\1", entry).split())
                yield {"kind": _kind_of_artifact_hub(kind), "description": words}


def _kind_of_artifact_hub(kind: str) -> str:
    known = ("added", "changed", "deprecated", "removed", "fixed", "security")
    return kind.lower() if kind.lower() in known else "changed"


def section(text: str, name: str) -> Section | None:
    """The section of a version, or nothing."""
    headings = list(SECTION.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    for heading, end in zip(headings, ends, strict=True):
        if heading["name"] == name:
            told = heading["rest"].strip().removeprefix("-").strip()
            return Section(name, told, text[heading.end() : end].strip())
    return None


def problems(text: str, version: str, today: date) -> Iterator[str]:
    """Why the changelog is not that of a release of this version, and what to write there."""
    found, ahead = section(text, version), section(text, UNRELEASED)
    if found is None:
        yield (
            f"CHANGELOG.md has no section for {version}. Write `## [{version}] - {today}` in place "
            f"of `## [{UNRELEASED}]`, and an empty `## [{UNRELEASED}]` above it"
        )
        return
    if not _is_date(found.date):
        yield (
            f"CHANGELOG.md has no date for {version}. Write it as `## [{version}] - {today}`; "
            f"there is `{found.date}`"
        )
    if not found.body:
        yield f"CHANGELOG.md says nothing of {version}. Write what changes for those who run Quiver"
    if ahead is not None and ahead.body:
        yield (
            f"CHANGELOG.md has entries below `[{UNRELEASED}]`, and they are in this release. "
            f"Move them to `[{version}]`"
        )


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
