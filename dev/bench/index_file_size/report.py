"""The table and the plot of docs/index-file-size.md."""

from collections.abc import Iterator

from bench.index_file_size.data import Plan
from bench.index_file_size.measure import BATCH, Figures


def table(plan: Plan, figures: list[Figures]) -> list[str]:
    rows = [_row(plan, each) for each in figures]
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *(list(row.values()) for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _row(plan: Plan, f: Figures) -> dict[str, str]:
    """Return the cells of a row by the heads of their columns."""
    part = plan.total_mb // f.size_mb
    row = {
        "`indexFileSize`": f"{f.size_mb} MB ({'all' if part == 1 else f'1/{part} of the data'})",
        "segments": str(f.segments),
    }
    for nprobe, found in zip(plan.nprobes, f.searches, strict=True):
        row[f"`nprobe` {nprobe}: one query"] = f"{found.one_ms:.2f} ms"
        row[f"`nprobe` {nprobe}: batch of {BATCH}"] = f"{found.batch_ms:.2f} ms a query"
        row[f"`nprobe` {nprobe}: recall"] = f"{found.recall:.3f}"
    if f.flat is not None:
        row["FLAT: one query"] = f"{f.flat.one_ms:.0f} ms"
        row[f"FLAT: batch of {plan.flat_queries}"] = f"{f.flat.batch_ms:.0f} ms a query"
    return row | {
        "build": f"{f.build_s:.1f} s",
        "indexes in memory": f"{f.index_mb:.1f} MB",
        "largest of them": f"{f.largest_mb:.1f} MB",
    }


def plot(figures: list[Figures]) -> str:
    """Return an SVG of both search times over the size, on a scale from 0."""
    width, height, left, bottom = 640, 320, 70, 50
    ones = [f.searches[0].one_ms for f in figures]
    batches = [f.searches[0].batch_ms for f in figures]
    top = max(ones) * 1.1

    def points(values: list[float]) -> Iterator[tuple[float, float]]:
        for place, value in enumerate(values):
            x = left + place * (width - left - 40) / (len(values) - 1)
            yield x, height - bottom - value / top * (height - bottom - 20)

    def line(values: list[float], colour: str) -> str:
        way = " ".join(f"{x:.0f},{y:.0f}" for x, y in points(values))
        return f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>'

    legend = {"#1f6feb": "one query: CPU ms", "#d4740b": f"batch of {BATCH}: CPU ms a query"}
    labels = [
        f'<text x="{x:.0f}" y="{height - bottom + 20}" text-anchor="middle">{f.size_mb}</text>'
        for (x, _), f in zip(points(ones), figures, strict=True)
    ]
    numbers = [
        f'<text x="{x:.0f}" y="{y - 8:.0f}" text-anchor="middle">{value:.2f}</text>'
        for values in (ones, batches)
        for (x, y), value in zip(points(values), values, strict=True)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
            "<style>text { font: 12px sans-serif }</style>",
            f'<rect width="{width}" height="{height}" fill="white"/>',
            f'<path d="M{left} 20V{height - bottom}H{width - 20}" fill="none" stroke="#888"/>',
            line(ones, "#1f6feb"),
            line(batches, "#d4740b"),
            *labels,
            *numbers,
            f'<text x="{width / 2}" y="{height - 8}" text-anchor="middle">indexFileSize, MB</text>',
            *(
                f'<text x="{width - 250}" y="{30 + 18 * place}" fill="{colour}">{text}</text>'
                for place, (colour, text) in enumerate(legend.items())
            ),
            "</svg>\n",
        ]
    )
