"""A bundle is bounded, private, whole or not there, and says what it lacks."""

import stat
import tarfile
from pathlib import Path

import pytest

from quiver.commands.bundle import Bundle

MIB = 2**20


def files(path: Path) -> dict[str, int]:
    with tarfile.open(path) as archive:
        return {member.name: member.size for member in archive.getmembers()}


def test_what_has_no_room_is_cut_and_told(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    with Bundle(path, "x", most=2 * MIB) as bundle:
        bundle.add("first", "x" * (MIB // 2))
        bundle.add("second", "x" * MIB)
        bundle.add("third", "x")
        assert "524288 bytes are left out" in bundle.lacks["second"]
        assert "third" in bundle.lacks
        bundle.finish("partial")
    found = files(path)
    assert found == {"x/first": MIB // 2, "x/second": MIB // 2, "x/summary.txt": 7}


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    with Bundle(path, "x") as bundle:
        (unfinished,) = tmp_path.iterdir()
        assert stat.S_IMODE(unfinished.stat().st_mode) == 0o600
        bundle.finish("")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_left_of_one_that_was_not_finished(tmp_path: Path) -> None:
    with Bundle(tmp_path / "x.tar.gz", "x") as bundle:
        bundle.add("first", "x")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    with Bundle(path, "x") as bundle:
        path.write_text("mine")
        with pytest.raises(FileExistsError):
            bundle.finish("")
    assert path.read_text() == "mine"


def test_names_lead_nowhere_else(tmp_path: Path) -> None:
    """Whatever an object is called."""
    path = tmp_path / "x.tar.gz"
    with Bundle(path, "x") as bundle:
        bundle.add("../../etc/pass wd", "x")
        bundle.finish("")
    assert "x/_/_/etc/pass_wd" in files(path)
