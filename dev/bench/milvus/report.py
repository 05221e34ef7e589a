"""The figures as a table for docs and terminal."""

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.milvus.figures import Figures

PAGE = Path(__file__).parents[3] / "docs" / "scale.md"
BEGIN, END = "<!-- milvus: begin -->", "<!-- milvus: end -->"

ROWS: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("all Ready after", lambda r: f"{r.ready_s:.1f} s"),
    ("the bare loop takes", lambda r: f"{r.floor_s:.1f} s"),
    ("**times the bare loop**", lambda r: f"**{r.ratio:.2f}**"),
    ("API writes of an object", lambda r: f"{r.api_writes:.2f}"),
    ("calls to Milvus for an object", lambda r: f"{sum(r.calls.values()):.1f}: {_listed(r)}"),
)


def table(runs: Sequence[Figures]) -> str:
    heads = [f"{run.collections:,}, {run.how}" for run in runs]
    lines = [f"| | {' | '.join(heads)} |", "|---" * (1 + len(runs)) + "|"]
    lines += [f"| {name} | {' | '.join(show(run) for run in runs)} |" for name, show in ROWS]
    return "\n".join(lines)


def keep(runs: Sequence[Figures]) -> None:
    """Write the table into the page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{table(runs)}\n{END}{after}")


def _listed(run: Figures) -> str:
    return ", ".join(f"{name} {count:.2f}" for name, count in sorted(run.calls.items()))
