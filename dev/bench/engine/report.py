"""The figures as tables for docs and terminal, and as JSON."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench.engine.figures import Duel, Index, Run, Search, Side

BATCHES = (10, 100, 1000)


def tables(run: Run) -> str:
    parts = [
        list(part)
        for part in (
            _searches(run),
            _besides(run),
            _inserts(run),
            _starts(run),
            _calls(run),
            _duels(run),
        )
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _inserts(run: Run) -> Iterator[str]:
    if not run.inserts:
        return
    heads = ["data", "`--durability`", "rows a second", "with their Flush"]
    heads += ["copied and appended", "share of it", "bare gRPC server", "share of it"]
    yield from head(heads)
    for found in run.inserts:
        yield row(
            [
                found.data,
                found.durability,
                f"{found.engine_rows_s:,.0f}",
                f"{found.flushed_rows_s:,.0f}",
                f"{found.least_rows_s:,.0f}",
                f"{found.share:.2f}",
                f"{found.bare_rows_s:,.0f}",
                f"{found.share_of_bare:.2f}",
            ]
        )


def _searches(run: Run) -> Iterator[str]:
    if not run.searches:
        return
    heads = ["data", "index", "recall", "nq 1: engine, FAISS, bare gRPC", "above FAISS"]
    heads += [f"nq {nq}: share of FAISS' queries a second" for nq in BATCHES]
    heads += ["16 clients, nq 1: queries a second, bare gRPC", "share of FAISS'"]
    yield from head(heads)
    for index in run.indexes:
        yield row(_cells(index, run))


def _besides(run: Run) -> Iterator[str]:
    if not run.besides:
        return
    yield from head(["searches beside", "p50: quiet, beside", "p99: quiet, beside", "times"])
    for found in run.besides:
        yield row(
            [
                found.what,
                f"{found.quiet_p50_ms:.2f}, {found.p50_ms:.2f} ms",
                f"{found.quiet_p99_ms:.2f}, {found.p99_ms:.2f} ms",
                f"{found.times:.1f}",
            ]
        )


def _starts(run: Run) -> Iterator[str]:
    lines: list[tuple[str, str]] = []
    if start := run.startup:
        lines += [
            ("start, empty", f"{start.empty_s:.2f} s"),
            ("memory (RSS), empty and idle", f"{start.idle_mib:.0f} MiB"),
            (f"start after a kill, {start.log_rows:,} x 128 in the log", f"{start.log_s:.2f} s"),
        ]
    if many := run.many:
        lines += [
            (f"{many.collections:,} empty collections created in", f"{many.created_s:.1f} s"),
            ("memory (RSS) with them, idle", f"{many.rss_mib:.0f} MiB"),
            ("CPU with them, idle", f"{many.idle_cpu_ms:.0f} ms a second"),
            ("start with them", f"{many.start_s:.2f} s"),
        ]
    if lines:
        yield from head(["what", "measured"])
        yield from map(row, lines)


def _calls(run: Run) -> Iterator[str]:
    if run.many:
        yield from head(["call", "with one collection", f"with {run.many.collections:,}"])
        for call in run.many.calls:
            yield row([call.rpc, f"{call.one_ms:.2f} ms", f"{call.many_ms:.2f} ms"])


def _duels(run: Run) -> Iterator[str]:
    if not run.duels:
        return
    yield from head(["", *(name for duel in run.duels for name in ("Quiver", duel.name, "ahead"))])
    for line in LINES:
        yield row([line.what, *(cell for duel in run.duels for cell in _duel_cells(line, duel))])
    for place, index in enumerate(run.duels[0].ours.indexes):
        for line in INDEX_LINES:
            cells = [cell for duel in run.duels for cell in _duel_cells(line, duel, place)]
            yield row([f"{index.index}: {line.what}", *cells])
    for duel in run.duels:
        if duel.theirs is None:
            yield f"\n{duel.name} was not measured: {duel.why_not}"


class Line(NamedTuple):
    """A line of the comparison: a larger value is better where `is_rate`."""

    what: str
    value: Callable[[Any], float]
    form: str
    is_rate: bool = False


LINES = (
    Line("start until a collection is made", lambda s: s.start_s, "{:.2f} s"),
    Line("memory (RSS), empty", lambda s: s.idle_mib, "{:.0f} MiB"),
    Line("memory (RSS), with the rows", lambda s: s.loaded_mib, "{:.0f} MiB"),
    Line("insert", lambda s: s.insert_s, "{:.2f} s"),
    Line("flush", lambda s: s.flush_s, "{:.2f} s"),
)
INDEX_LINES = (
    Line("build until it can be searched", lambda i: i.build_s + i.load_s, "{:.1f} s"),
    Line("search, nq 1", lambda i: i.one_ms, "{:.2f} ms"),
    Line("search, nq 1,000", lambda i: i.many_qps, "{:,.0f} queries a second", is_rate=True),
    Line("recall", lambda i: i.recall, "{:.4f}"),
)


def _duel_cells(line: Line, duel: Duel, index: int | None = None) -> list[str]:
    def value(side: Side) -> float:
        return line.value(side if index is None else side.indexes[index])

    ours = value(duel.ours)
    if duel.theirs is None:
        return [line.form.format(ours), "not measured", ""]
    theirs = value(duel.theirs)
    times = ours / theirs if line.is_rate else theirs / ours
    shown = [line.form.format(number) for number in (ours, theirs)]
    return [*shown, "" if line.what == "recall" else f"{times:.1f}"]


def _cells(index: Index, run: Run) -> list[str]:
    found = {
        (s.threads, s.nq): s for s in run.searches if (s.data, s.index) == (index.data, index.index)
    }
    one = found.get((1, 1))
    many = next((s for s in found.values() if s.threads > 1), None)
    return [
        index.data,
        index.index,
        f"{index.recall:.3f}",
        _latencies(one) if one else "",
        f"{one.above_ms:+.2f} ms" if one else "",
        *(share(found.get((1, nq))) for nq in BATCHES),
        f"{many.engine_qps:,.0f}, {many.bare_qps:,.0f}" if many else "",
        share(many),
    ]


def _latencies(one: Search) -> str:
    return f"{one.engine_latency_ms:.2f}, {one.faiss_latency_ms:.2f}, {one.bare_latency_ms:.2f} ms"


def share(search: Search | None) -> str:
    return f"{search.share:.2f}" if search else ""


def head(names: Sequence[str]) -> list[str]:
    return [row(names), "|---" * len(names) + "|"]


def row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


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
