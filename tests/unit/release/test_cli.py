"""What the command line refuses, of a commit that is a release."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from release import cli
from release.checkout import Checkout


@pytest.fixture(autouse=True)
def commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit that is checked out passes for a release."""
    monkeypatch.setattr(cli, "stale_files", lambda: iter(()))
    monkeypatch.setattr(Checkout, "problems", lambda _: iter(()))


@pytest.mark.parametrize("setting", ["REHEARSAL", "IMAGES"])
def test_only_the_images_of_a_release_are_pushed(tmp_path: Path, setting: str) -> None:
    """A rehearsal might take the place of a release in the registry, and without images there is
    nothing to push.
    """
    variables = {"PUSH": "1", "IMAGES": "1", setting: "0" if setting == "IMAGES" else "1"}
    done = CliRunner().invoke(cli.main, ["build", "--into", str(tmp_path / "dist")], env=variables)
    assert done.exit_code == 1
    assert f"{setting}=" in done.output
    assert list(tmp_path.iterdir()) == []


def test_only_a_release_is_replaced(tmp_path: Path) -> None:
    """A folder with files of somebody's stays as it is."""
    (tmp_path / "thesis.pdf").touch()
    done = CliRunner().invoke(cli.main, ["build", "--no-images", "--into", str(tmp_path)])
    assert done.exit_code == 1
    assert "something else than a release" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.pdf"]
