"""A death at each durable step of a store's life."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from quiver_proto import milvus_pb2 as pb
from support.strace import needs_strace

CHANGING = {
    "CreateCollection", "DropCollection", "CreatePartition", "DropPartition", "CreateIndex",
    "DropIndex", "Insert", "DeleteByID", "Flush", "Compact",
}  # fmt: skip
HERE = Path(__file__).parent


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A directory where an fsync is free: a kill does not need the disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a directory of its own is made there
    made = tempfile.mkdtemp(dir=memory if memory.is_dir() else None)
    yield Path(made)
    shutil.rmtree(made)


def output_of(script: str, *arguments: Path) -> str:
    done = subprocess.run(
        [sys.executable, HERE / script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_life_that_is_cut_off_has_every_call_that_changes_something() -> None:
    """Each call of the protocol that changes what is on disk is in it."""
    calls = set(pb.DESCRIPTOR.services_by_name["MilvusService"].methods_by_name)
    assert calls >= CHANGING
    assert set(output_of("crash_script.py").split()) == CHANGING


def test_a_kill_at_any_durable_step_loses_nothing_acknowledged(in_memory: Path) -> None:
    """Killed before any write, fsync, rename, unlink or commit, it opens as before or after."""
    deaths = re.fullmatch(r"died (\d+) times\n", output_of("crash_points.py", in_memory / "data"))
    assert deaths
    assert int(deaths[1]) > 200


@needs_strace
def test_a_power_loss_at_any_system_call_loses_nothing_acknowledged(in_memory: Path) -> None:
    """Whatever of the unsynced data and names is gone by then, it opens as before or after."""
    states = re.fullmatch(r"(\d+) states\n", output_of("power_loss.py", in_memory))
    assert states
    assert int(states[1]) > 1000
