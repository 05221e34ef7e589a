"""Where an engine writes: in a pod all but its data directory is read-only."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from machine.engine_process import EngineProcess
from support.milvus1_client import Milvus1
from support.strace import needs_strace

OPENING = ("open", "openat", "openat2")
CHANGING = (
    "creat", "mkdir", "mkdirat", "mknod", "mknodat", "rename", "renameat", "renameat2", "link",
    "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "rmdir", "truncate",
)  # fmt: skip
TO_WRITE = re.compile("O_WRONLY|O_RDWR|O_CREAT")
SUCCEEDED = re.compile(r"(\w+)\((.*)\) += \d+")
DEVICES = Path("/dev")
ROWS = 5000
"""Enough for an index of its segment."""


def written(trace: str) -> Iterator[Path]:
    """Yield the files that were changed, or opened for that."""
    for line in trace.splitlines():
        call = SUCCEEDED.match(line)
        if call and (call[1] in CHANGING or TO_WRITE.search(call[2])):
            yield from map(Path, re.findall(r'"([^"]*)"', call[2]))


@needs_strace
def test_an_engine_writes_nowhere_but_to_its_data_directory(
    own_engine: EngineProcess, tmp_path: Path, connect: Callable[[EngineProcess], Milvus1]
) -> None:
    """It starts, takes vectors, builds an index, deletes, compacts and ends with no folder for
    temporary files: its pods have none where they have a volume.
    """
    # Once it has run, Python has its compiled modules.
    own_engine.stop()
    own_engine.data_dir = tmp_path / "new"
    traces = tmp_path / "traces"
    traces.mkdir()
    calls = ",".join(f"?{name}" for name in (*OPENING, *CHANGING))
    under = ["strace", "-D", "-q", "-ff", "-o", str(traces / "of"), "-e", f"trace={calls}"]
    client = connect(own_engine.start(under=under))
    client.create("docs", dimension=8)
    ids = client.insert("docs", np.random.default_rng(1).random((ROWS, 8))).vector_id_array
    client.create_index("docs", 2, '{"nlist": 16}')
    assert client.index_names("docs") == ["IVFFLAT"]
    client.search("docs", [[0.5] * 8], params='{"nprobe": 4}')
    client.delete("docs", ids[: ROWS // 2])
    client.flush("docs")
    client.compact("docs")
    assert client.count("docs") == ROWS - ROWS // 2
    assert own_engine.stop() == 0
    found = {path for trace in traces.iterdir() for path in written(trace.read_text())}
    assert own_engine.data_dir / "catalog.sqlite" in found
    outside = {path for path in found if own_engine.data_dir not in (path, *path.parents)}
    assert {path for path in outside if DEVICES not in path.parents} == set()
