"""The figures as a table for docs and terminal, as JSON, and as a plot."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

import msgspec

from bench.scale.figures import Run, quantile

Row = tuple[str, Callable[[Run], str]]


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def spread(values: list[float]) -> str:
    if not values:
        return "not measured: no room"
    shares = (quantile(values, 0.5), quantile(values, 0.99), max(values, default=0))
    return f"{' / '.join(map(ms, shares))} (of {len(values)})"


def calls(run: Run) -> str:
    return ", ".join(f"{name} {count:.2f}" for name, count in sorted(run.engine_calls.items()))


ROWS: tuple[Row, ...] = (
    ("all Ready after", lambda r: f"{r.quiver.ready_s:.1f} s"),
    ("Ready a second", lambda r: f"{r.collections / r.quiver.ready_s:.0f}"),
    (
        "from creation to Ready, p50 / p99 / max",
        lambda r: " / ".join(
            map(ms, (r.quiver.latency_p50_s, r.quiver.latency_p99_s, r.quiver.latency_max_s))
        ),
    ),
    (
        "the floor: applying + work + events",
        lambda r: (
            f"{r.floor.apply_s:.1f} + {r.floor.work_s:.1f} + {r.floor.events_s:.1f}"
            f" = {r.floor.total_s:.1f} s"
        ),
    ),
    ("**times the floor**", lambda r: f"**{r.quiver.ready_s / r.floor.total_s:.2f}**"),
    ("times the floor's work alone", lambda r: f"{r.quiver.ready_s / r.floor.work_s:.2f}"),
    ("plain kopf: all Ready after", lambda r: f"{r.kopf.ready_s:.1f} s"),
    ("forgotten until touched, ours", lambda r: f"{r.quiver.forgotten}"),
    ("forgotten until touched, plain kopf", lambda r: f"{r.kopf.forgotten}"),
    ("plain kopf: times the floor", lambda r: f"{r.kopf.ready_s / r.floor.total_s:.2f}"),
    ("plain kopf's time, times ours", lambda r: f"{r.kopf.ready_s / r.quiver.ready_s:.2f}"),
    ("API writes of an object", lambda r: f"{r.quiver.api_writes:.2f}"),
    ("API writes of an object, plain kopf", lambda r: f"{r.kopf.api_writes:.2f}"),
    ("Events of an object", lambda r: f"{r.quiver.events:.2f}"),
    ("engine calls for an object", calls),
    ("CPU of the operator for an object", lambda r: f"{r.quiver.cpu_ms:.2f} ms"),
    ("CPU for an object, plain kopf", lambda r: f"{r.kopf.cpu_ms:.2f} ms"),
    ("CPU for an object, the floor", lambda r: f"{r.floor.cpu_ms:.2f} ms"),
    ("memory without objects", lambda r: f"{r.quiver.rss_start_mib:.0f} MiB"),
    ("memory, idle with all", lambda r: f"{r.quiver.rss_idle_mib:.0f} MiB"),
    ("memory at the peak", lambda r: f"{r.quiver.rss_peak_mib:.0f} MiB"),
    ("memory at the peak, plain kopf", lambda r: f"{r.kopf.rss_peak_mib:.0f} MiB"),
    ("one more when quiet, p50 / p99 / max", lambda r: spread(r.one_when_quiet_s)),
    ("one of another namespace in the storm", lambda r: spread(r.one_in_storm_s)),
    ("one more while all are looked at", lambda r: spread(r.one_in_restart_s)),
    ("restart: all looked at after", lambda r: f"{r.restart.steady_s:.1f} s"),
    ("restart: API writes in all", lambda r: f"{r.restart.api_writes:.0f}"),
    ("restart: CPU for an object", lambda r: f"{r.restart.cpu_ms:.2f} ms"),
    ("idle: API requests a minute", lambda r: f"{r.idle.api_requests:.0f}"),
    ("idle: lists of engines a minute", lambda r: f"{r.idle.engine_lists:.1f}"),
    ("idle: calls of the verification a minute", lambda r: f"{r.idle.engine_verification:.0f}"),
    ("idle: CPU a minute", lambda r: f"{r.idle.cpu_ms:.0f} ms"),
    ("all deleted after", lambda r: f"{r.quiver.delete_s:.1f} s"),
    ("all deleted after, plain kopf", lambda r: f"{r.kopf.delete_s:.1f} s"),
    ("API writes of an object deleted", lambda r: f"{r.quiver.delete_api_writes:.2f}"),
    ("CPU for an object deleted", lambda r: f"{r.quiver.delete_cpu_ms:.2f} ms"),
)


def table(runs: Iterable[Run]) -> str:
    runs = list(runs)
    heads = [f"{run.collections:,} on {run.engines} engine{'s'[: run.engines > 1]}" for run in runs]
    lines = [f"| | {' | '.join(heads)} |", "|---" * (1 + len(runs)) + "|"]
    lines += [f"| {row[0]} | {' | '.join(cell(row, run) for run in runs)} |" for row in ROWS]
    return "\n".join(lines)


def cell(row: Row, run: Run) -> str:
    name, show = row
    return "not measured" if "kopf" in name and not run.kopf.ready_s else show(run)


def read_json(path: Path) -> Run:
    return msgspec.json.decode(path.read_bytes(), type=Run)


def write_json(path: Path, run: Run) -> None:
    encoded = msgspec.json.encode(rounded(asdict(run)))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(msgspec.json.format(encoded, indent=1) + b"\n")


def rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value
