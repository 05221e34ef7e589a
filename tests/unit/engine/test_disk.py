"""When the disk of the data directory counts as full, and what the log says of it."""

import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from quiver_engine.errors import DiskIsFull
from quiver_engine.files.disk import REFUSAL_COUNTS_S, RESERVE, Disk
from quiver_engine.model import MIB

LARGE = 1024 * RESERVE


class Machine:
    """A file system and a clock that tests set."""

    def __init__(self) -> None:
        self.free, self.total, self.now = LARGE, LARGE, 0.0

    def statvfs(self, _: object) -> os.statvfs_result:
        found = SimpleNamespace(f_frsize=1, f_bavail=self.free, f_blocks=self.total)
        return cast("os.statvfs_result", found)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(os, "statvfs", made.statvfs)
    return made


@pytest.fixture
def disk(machine: Machine) -> Disk:
    return Disk(Path("/data"), lambda: machine.now)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return lines


def test_a_disk_fills_up_once_and_has_room_once(
    machine: Machine, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    """One line each, however often it is looked at; between the two, requests are refused."""
    caplog.set_level(logging.WARNING)
    disk.check()
    machine.free = RESERVE - 1
    for _ in range(3):
        with pytest.raises(DiskIsFull, match="the disk is full: drop collections"):
            disk.check()
    disk.refused()
    assert disk.is_full
    (line,) = said(caplog)
    assert line.startswith("the disk of /data is full (16 of 16384 MiB are free): inserts are")
    machine.free = 2 * RESERVE
    for _ in range(3):
        disk.check()
    assert not disk.is_full
    assert said(caplog) == ["the disk of /data has room again (32 of 16384 MiB are free)"]


def test_a_little_room_is_not_enough_to_go_on(machine: Machine, disk: Disk) -> None:
    """Else a disk whose insert log comes and goes would be full and not full by turns."""
    machine.free = RESERVE - 1
    disk.look()
    machine.free = 2 * RESERVE - 1
    disk.look()
    assert disk.is_full
    with pytest.raises(DiskIsFull):
        disk.check()


def test_a_refused_write_is_a_full_disk_for_a_while(
    machine: Machine, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    """Quotas do not show in the free bytes. What comes next is tried all the same."""
    caplog.set_level(logging.WARNING)
    for second in range(5):
        machine.now = float(second)
        assert isinstance(disk.refused(), DiskIsFull)
        assert disk.is_full
        disk.check()
    machine.now += REFUSAL_COUNTS_S
    disk.look()
    assert not disk.is_full
    assert len(said(caplog)) == 2


def test_what_can_wait_does_not_fill_the_disk(machine: Machine, disk: Disk) -> None:
    """Nor does it make it count as full: inserts may have enough room."""
    machine.free = RESERVE + 1000
    disk.check_for(1000)
    with pytest.raises(DiskIsFull):
        disk.check_for(1001)
    disk.look()
    assert not disk.is_full


def test_a_small_disk_can_be_used(machine: Machine, disk: Disk) -> None:
    """No more than a sixteenth of it is left free."""
    machine.total, machine.free = 32 * MIB, 3 * MIB
    disk.check()
    machine.free = 2 * MIB - 1
    with pytest.raises(DiskIsFull):
        disk.check()
