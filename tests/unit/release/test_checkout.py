"""Of which commits a release is made."""

from pathlib import Path

import pytest

from machine.errors import SetupError
from quiver import __version__
from release.checkout import Checkout

TAG = f"v{__version__}"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A repository with one commit."""
    found = Checkout(tmp_path)
    found.git("init", "--quiet")
    (tmp_path / "a.txt").write_text("a")
    commit(found)
    return found


def commit(checkout: Checkout) -> None:
    """Commit what there is, and that nothing changed."""
    checkout.git("add", ".")
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    checkout.git(*who, "commit", "--quiet", "--allow-empty", "--message", "A change")


def test_uncommitted_files_are_named(checkout: Checkout) -> None:
    """Changed ones and new ones; those that git ignores are no matter."""
    assert list(checkout.changes()) == []
    (checkout.root / "a.txt").write_text("b")
    (checkout.root / "b.txt").write_text("b")
    (checkout.root / ".git" / "info" / "exclude").write_text("c.txt\n")
    (checkout.root / "c.txt").write_text("c")
    assert list(checkout.changes()) == [
        "There are uncommitted changes: a.txt, b.txt. Commit or stash them"
    ]


def test_a_version_is_released_once(checkout: Checkout) -> None:
    """The commit with the version's tag can be built again; a later one needs another version."""
    checkout.git("tag", TAG)
    assert list(checkout.tag_elsewhere()) == []
    commit(checkout)
    [problem] = checkout.tag_elsewhere()
    assert f"{TAG} is another commit" in problem
    assert "operator/quiver/__init__.py" in problem


def test_the_time_of_a_release_is_that_of_its_commit(checkout: Checkout) -> None:
    """It is the same in every clone."""
    assert checkout.epoch == int(checkout.git("show", "--no-patch", "--format=%ct", "HEAD"))


def test_without_a_repository_there_is_no_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unpacked archive has no commit, and the message says what is needed."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(SetupError, match="a clone of the repository"):
        _ = Checkout(tmp_path).epoch
