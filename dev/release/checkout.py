"""The commit that a release is made of, and whether one can be made of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from imagebuild.images import PROJECT
from machine.errors import SetupError
from quiver import __version__
from release import changelog

GENERATORS = {"tools.render": "make render", "tools.stubs": "make proto"}
"""What writes generated files, and how it is run."""


@dataclass(frozen=True)
class Checkout:
    """A clone of the repository, at the commit that is checked out."""

    root: Path

    def git(self, *arguments: str) -> str:
        """What git answers. Raises SetupError where it refuses."""
        command = ["git", "-C", str(self.root), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SetupError(
                f"a release is made of a commit, and git says: {done.stderr.strip()[-300:]}. "
                "Remedy: a clone of the repository, with git installed"
            )
        return done.stdout.rstrip()

    @property
    def epoch(self) -> int:
        """When the commit was made: the time of every file of the release."""
        return int(self.git("log", "-1", "--format=%ct"))

    @property
    def changelog(self) -> str:
        """The text of the changelog."""
        return (self.root / "CHANGELOG.md").read_text()

    def problems(self) -> Iterator[str]:
        """Why no release of this version can be made of it, and what to do."""
        yield from self.changes()
        yield from self.tag_elsewhere()
        yield from changelog.problems(self.changelog, __version__, datetime.now(UTC).date())

    def changes(self) -> Iterator[str]:
        """What is not committed."""
        changed = self.git("status", "--porcelain").splitlines()
        if changed:
            named = ", ".join(line[3:] for line in changed[:5])
            more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
            yield f"There are uncommitted changes: {named}{more}. Commit or stash them"

    def tag_elsewhere(self) -> Iterator[str]:
        """A tag of this version that another commit has."""
        tag = f"v{__version__}"
        if self.git("tag", "--list", tag) and tag not in self.git("tag", "--points-at", "HEAD"):
            yield (
                f"{tag} is another commit: {__version__} was released already. "
                f"Write the next version into operator/quiver/__init__.py, then run `make render`; "
                f"or check out {tag}"
            )


def stale_files() -> Iterator[str]:
    """Generated files that are not what their sources make, and an installation that is older."""
    if version(PROJECT) != __version__:
        yield (
            f"{version(PROJECT)} is installed here, and the version is {__version__}. "
            "Run `make setup`"
        )
    for module, remedy in GENERATORS.items():
        command = [sys.executable, "-m", module, "--check"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            told = " ".join(f"{done.stdout} {done.stderr}".split())[-500:]
            yield f"Generated files are not current ({told}). Run `{remedy}` and commit"
