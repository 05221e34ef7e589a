"""The release before: what of it stands under `tests/compat/before`, and the rest from history."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMIT = "3712b0e71ffda067efa8b2e4e939e718e218c0a8"
"""The last commit of the release before."""
FOLDER = ROOT / "tests" / "compat" / "before"
CHART = FOLDER / "charts" / "quiver"


def unpack(folder: Path, *paths: str) -> Path:
    """Unpack files and folders of that commit into `folder`, and return it.

    Skips the test where this checkout is without history, as a shallow clone is.
    """
    command = ["git", "-C", str(ROOT), "archive", COMMIT, *paths]
    try:
        archive = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"the history of this checkout has no commit {COMMIT[:7]}")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return folder
