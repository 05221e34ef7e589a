"""What a soak found: a table on the terminal, JSON and a plot in its folder."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from soak.growth import Sample
from soak.run import Options
from soak.soaking import Result

_WIDTH, _PANEL, _LEFT, _GAP = 760, 130, 70, 34
_PANELS = (
    ("rows", "rows"),
    ("rss_mib", "RSS, MiB"),
    ("anonymous_mib", "of which anonymous, MiB"),
    ("threads", "threads"),
    ("descriptors", "descriptors, without segments'"),
    ("disk_mib", "disk without the insert log, MiB"),
)


def write(result: Result, options: Options) -> None:
    """Write soak.json and soak.svg into the soak's folder."""
    told = {
        "seed": options.seed,
        "seconds": options.seconds,
        "rounds": result.rounds,
        "calls": dict(result.calls),
        "unanswered": dict(result.unanswered),
        "ends": dict(result.ends),
        "recall": result.recall,
        "growth": [compared.as_dict() for compared in result.growth],
        "wrong": result.wrong,
        "samples": [asdict(sample) for sample in result.samples],
    }
    (options.folder / "soak.json").write_text(json.dumps(told, indent=1))
    (options.folder / "soak.svg").write_text(plot(result.samples))


def table(result: Result, options: Options) -> Iterator[str]:
    """Yield the lines that are printed in the end."""
    yield "\ncalls                     sent  unanswered"
    for call, times in sorted(result.calls.items()):
        yield f"  {call:<20} {times:>8}  {result.unanswered[call]:>10}"
    ends = f"{result.ends['kill']} times killed, {result.ends['end']} times told to end"
    yield f"{result.rounds} rounds; the engine was {ends}"
    for name, recall in sorted(result.recall.items()):
        yield f"least recall, {name}: {recall:.3f}"
    yield from _growth(result)
    yield f"{options.folder}: soak.json, soak.svg, engine.log"
    if not result.wrong:
        yield f"seed {options.seed}: no wrong answer, nothing grew"
        return
    yield f"\n{len(result.wrong)} things are wrong"
    yield from (f"  {what}" for what in result.wrong)


def _growth(result: Result) -> Iterator[str]:
    if not result.growth:
        yield "growth: not compared, the engine's last life was too short for that"
        return
    yield "growth at rest, same rows   after warm-up    at the end  allowed"
    for compared in result.growth:
        name = f"{compared.bound.figure}"
        ends = f"{compared.before:>13.1f} {compared.after:>13.1f}"
        yield f"  {name:<24} {ends}  {compared.bound}"


def plot(samples: Sequence[Sample]) -> str:
    """Return an SVG of what was used over time, each figure from 0; marks are dots."""
    height = len(_PANELS) * (_PANEL + _GAP) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}">',
        "<style>text { font: 12px sans-serif }</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
    ]
    end = max((sample.seconds for sample in samples), default=0) or 1
    for number, (figure, title) in enumerate(_PANELS):
        top = number * (_PANEL + _GAP) + _GAP
        parts += _panel(samples, figure, f"{title}, over {end:.0f} s", top)
    return "\n".join([*parts, "</svg>\n"])


def _panel(samples: Sequence[Sample], figure: str, title: str, top: int) -> Iterator[str]:
    most = max((sample.figure(figure) for sample in samples), default=0) or 1
    end = max((sample.seconds for sample in samples), default=0) or 1
    bottom = top + _PANEL

    def point(sample: Sample) -> tuple[float, float]:
        x = _LEFT + sample.seconds / end * (_WIDTH - _LEFT - 20)
        return x, bottom - sample.figure(figure) / most * _PANEL

    yield f'<text x="{_LEFT}" y="{top - 8}">{title}</text>'
    yield f'<text x="{_LEFT - 6}" y="{top + 10}" text-anchor="end">{most:.0f}</text>'
    yield f'<path d="M{_LEFT} {top}V{bottom}H{_WIDTH - 20}" fill="none" stroke="#888"/>'
    for life in sorted({sample.life for sample in samples}):
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(point, _of(samples, life)))
        yield f'<polyline points="{way}" fill="none" stroke="#1f6feb"/>'
    for x, y in (point(sample) for sample in samples if sample.is_mark):
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="#d4740b"/>'


def _of(samples: Sequence[Sample], life: int) -> list[Sample]:
    return [sample for sample in samples if sample.life == life]
