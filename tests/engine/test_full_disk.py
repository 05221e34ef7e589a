"""A disk that is really full, under a running engine."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from machine.engine_process import EngineProcess
from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1, found_ids
from support.waiting import wait_until

Connect = Callable[[EngineProcess], Milvus1]
MIB = 2**20
DISK_MIB = 32
ROWS = np.zeros((8192, 256), np.float32)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(disk)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.decode()[:200]}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def leave_free(disk: Path, size: int) -> None:
    """Have a file of somebody else take what is free but for `size` bytes."""
    found = os.statvfs(disk)
    descriptor = os.open(disk / "somebody else's", os.O_WRONLY | os.O_CREAT)
    os.posix_fallocate(descriptor, 0, found.f_bavail * found.f_frsize - size)
    os.close(descriptor)


def metric(engine: EngineProcess, name: str) -> float:
    lines = engine.get("/metrics")[1].splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith(f"{name} "))
    return float(value)


def test_a_full_disk_is_told_and_a_drop_makes_room(small_disk: Path, connect: Connect) -> None:
    """Searches go on; inserts and new collections are refused and go on once there is room. The
    probe, the report and the log tell, the log once each.
    """
    with EngineProcess(small_disk) as engine:
        client = connect(engine)
        client.create("large", dimension=256)
        client.create("other", dimension=256)
        assert client.insert("large", ROWS).status.error_code == pb.SUCCESS
        assert client.flush("large").error_code == pb.SUCCESS
        leave_free(small_disk, MIB)
        assert client.insert("large", ROWS[:1]).status.disk_full
        assert client.create("new", dimension=256).disk_full
        assert found_ids(client.search("large", ROWS[:1])) >= 0
        ready, line = engine.get("/readyz")
        assert (ready, line.startswith("ready, but the disk is full (")) == (200, True)
        report = json.loads(client.command("report").string_reply)["disk"]
        assert (report["full"], report["total"]) == (True, DISK_MIB * MIB)
        assert metric(engine, "quiver_engine_disk_total_bytes") == DISK_MIB * MIB
        assert metric(engine, "quiver_engine_disk_free_bytes") < DISK_MIB * MIB / 8
        assert client.drop("large").error_code == pb.SUCCESS
        wait_until(
            lambda: client.insert("other", ROWS[:1]).status.error_code == pb.SUCCESS,
            "there is room",
        )
        assert client.create("new", dimension=256).error_code == pb.SUCCESS
        log = engine.log.read_text()
        assert (log.count(" is full ("), log.count(" has room again (")) == (1, 1)
        assert "Traceback" not in log
