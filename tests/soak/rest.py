"""Brings all collections to the same number of rows and to rest, so that marks compare."""

import numpy as np

from soak import audit, growth, writes
from soak.engine import Engine
from soak.kinds import Kind
from soak.run import Run
from soak.subject import Subject

_AT_ONCE = 1000
_COMPACTED_SHARE = 0.1
_SEGMENT_HEADER_BYTES = 64
_MIB = 1 << 20


def rest(run: Run, engine: Engine, random: np.random.Generator) -> int:
    """Level every collection, have it indexed, and wait for the disk; return how many rows are."""
    for subject in run.subjects:
        _level(run, subject, random)
        writes.flush(run, subject)
        run.client.compact(subject.name)
        run.called("compact")
        index = subject.kind.indexes[0]
        had = subject.indexing(index.type)
        run.client.create_index(subject.name, index)
        run.called("create_index")
        subject.indexed(had)
    if what := growth.unsettled(engine, lambda: _files(run)):
        run.complain("disk at rest", what)
    _compare_disk(run, engine)
    for subject in run.subjects:
        audit.search(run, subject, random)
    return sum(subject.ledger.living for subject in run.subjects)


def _level(run: Run, subject: Subject, random: np.random.Generator) -> None:
    while missing := run.options.low - subject.ledger.living:
        if missing > 0:
            writes.insert(run, subject, random, min(missing, _AT_ONCE))
        else:
            writes.delete(run, subject, random, min(-missing, _AT_ONCE))


def _files(run: Run) -> list[str]:
    names = []
    for subject in run.subjects:
        for _, segment in run.client.segments(subject.name):
            names.append(f"{segment['name']}.seg")
            if not segment["index_name"].endswith("IDMAP"):
                names.append(f"index of {segment['name']}")
    return names


def _compare_disk(run: Run, engine: Engine) -> None:
    """Hold the segment files against the living rows: after Compact a tenth may be deleted."""
    held = sum(size for name, size in engine.file_sizes().items() if name.endswith(".seg"))
    living = sum(s.ledger.living * _row_bytes(s.kind) for s in run.subjects)
    files = len(engine.segment_files()) * _SEGMENT_HEADER_BYTES
    allowed = living / (1 - _COMPACTED_SHARE) + files
    if held > allowed:
        what = f"{held / _MIB:.1f} MiB of segments for {living / _MIB:.1f} MiB of living rows"
        run.complain("disk at rest", what)


def _row_bytes(kind: Kind) -> int:
    return kind.layout.bytes + 8
