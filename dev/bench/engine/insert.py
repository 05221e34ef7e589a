"""Inserts on the engine beside the least that can be done with their bytes, in turns.

Twice the least: in a process of its own, each call's vectors are copied in memory once and appended
to a file, which is synced where the engine syncs; and a bare gRPC server that does the same. No
checksum, no second writing into segments.
"""

import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.engine import figures
from bench.engine.bare import BareServer
from bench.engine.client import Client
from bench.engine.data import Size, clustered
from bench.engine.search import BATCH, COLLECTION, Say, create
from bench.processes import Engine
from quiver_engine.files.insert_log import Durability
from quiver_engine.model import Floats
from quiver_proto import milvus_pb2 as pb

FLUSH = pb.FlushParam(collection_name_array=[COLLECTION]).SerializeToString()


def measure(
    directory: Path, size: Size, durability: Durability, rounds: int, say: Say
) -> figures.Insert:
    """Insert all rows on an engine of its own, a part of them in each round."""
    rows, _ = clustered(size)
    name = f"insert-{durability.value}-{size.rows}-{size.dimension}"
    engine = Engine(directory, name, "--durability", durability.value)
    bare = BareServer(directory / f"{name}.bare", durability, BATCH)
    ours, flushed, served, copied = [], [], [], []
    try:
        with bare, Client(engine.address) as client, Client(bare.address) as other:
            create(client, COLLECTION, size)
            for part in np.array_split(rows, rounds):
                inserting = sum(client.insert(COLLECTION, part, 0, BATCH))
                # Whatever the engine puts off must not be done in the others' time.
                flushing = sum(client.ask("Flush", [FLUSH]))
                ours.append(len(part) / inserting)
                flushed.append(len(part) / (inserting + flushing))
                served.append(len(part) / sum(other.insert(COLLECTION, part, 0, BATCH)))
                copied.append(len(part) / least(directory / f"{name}.bytes", part, durability))
    finally:
        engine.stop()
    found = figures.Insert(
        data=str(size),
        durability=durability.value,
        engine_rows_s=statistics.median(ours),
        least_rows_s=statistics.median(copied),
        share=_share(ours, copied),
        bare_rows_s=statistics.median(served),
        share_of_bare=_share(ours, served),
        flushed_rows_s=statistics.median(flushed),
    )
    say(
        f"insert {size}, {found.durability}: {found.engine_rows_s:,.0f} rows a second,"
        f" {found.share:.2f} of copying and appending, {found.share_of_bare:.2f} of a bare server"
    )
    return found


def least(path: Path, rows: Floats, durability: Durability) -> float:
    """Return the seconds that copying and appending take, call by call."""
    copy = np.empty((BATCH, rows.shape[1]), np.float32)
    taken = 0.0
    with path.open("ab", buffering=0) as file:
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            begun = time.perf_counter()
            copy[: len(part)] = part
            file.write(copy[: len(part)].data)
            if durability is Durability.FSYNC:
                os.fsync(file.fileno())
            taken += time.perf_counter() - begun
    return taken


def _share(ours: Sequence[float], limits: Sequence[float]) -> float:
    return statistics.median(one / other for one, other in zip(ours, limits, strict=True))
