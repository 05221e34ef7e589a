"""How long a start takes and what an idle engine holds: empty, and with rows in the insert log."""

import statistics
import time
from pathlib import Path

from bench.engine import figures
from bench.engine.client import Client
from bench.engine.data import Size, clustered
from bench.engine.search import BATCH, Say, Scope, create
from bench.processes import Engine
from quiver_proto import milvus_pb2 as pb

COLLECTIONS = 16
"""The rows in the log are shared out, since a flush is due at 32 MiB of one collection."""
NO_FLUSH = pb.Command(cmd="set_config storage.auto_flush_interval 0").SerializeToString()


def measure(directory: Path, rows: int, scope: Scope, say: Say) -> figures.Startup:
    """Start an empty engine a few times, and one that was killed with `rows` of 128 in its log."""
    starts, held = [], []
    for number in range(scope.rounds):
        engine = Engine(directory, f"empty-{number}")
        time.sleep(scope.settle_s)
        starts.append(engine.start_s)
        held.append(engine.rss_mib)
        engine.stop()
    log_s, log_mib = _with_log(directory, rows)
    found = figures.Startup(
        empty_s=statistics.median(starts),
        idle_mib=statistics.median(held),
        log_rows=rows,
        log_mib=log_mib,
        log_s=log_s,
    )
    say(f"start in {found.empty_s:.2f} s, idle {found.idle_mib:.0f} MiB; with log {log_s:.2f} s")
    return found


def _with_log(directory: Path, rows: int) -> tuple[float, float]:
    """Return the seconds of the start, and the MiB of the log that it read."""
    size = Size(rows // COLLECTIONS, 128)
    vectors, _ = clustered(size)
    engine = Engine(directory, "log", "--durability", "os")
    with Client(engine.address) as client:
        client.ask("Cmd", [NO_FLUSH])
        for number in range(COLLECTIONS):
            create(client, f"c{number}", size)
            client.insert(f"c{number}", vectors, 0, BATCH)
    engine.kill()
    files = (engine.data_dir / "log").iterdir()
    log_mib = sum(file.stat().st_size for file in files) / 2**20
    # Only the process is started anew: its pages are still in the system's cache.
    engine = Engine(directory, "log", "--durability", "os")
    engine.kill()
    return engine.start_s, log_mib
