"""How many are Ready by when: Quiver, a plain kopf operator and the floor, a panel for each run."""

from collections.abc import Iterator, Sequence

from bench.scale.figures import Run

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 70, 30, 40, 40
COLOURS = {"the floor": "#888888", "Quiver": "#1f6feb", "plain kopf": "#d4740b"}

Curve = Sequence[tuple[float, int]]


def plot(runs: Sequence[Run]) -> str:
    height = HEIGHT * len(runs)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">'
    parts = [head, "<style>text { font: 12px sans-serif }</style>"]
    parts.append(f'<rect width="{WIDTH}" height="{height}" fill="white"/>')
    for place, run in enumerate(runs):
        parts.append(f'<g transform="translate(0 {place * HEIGHT})">')
        parts += panel(run)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>\n"])


def panel(run: Run) -> Iterator[str]:
    curves: dict[str, Curve] = {
        "the floor": [(run.floor.total_s, run.collections)],
        "Quiver": run.quiver.curve,
        "plain kopf": run.kopf.curve,
    }
    curves = {name: curve for name, curve in curves.items() if curve}
    longest = max(curve[-1][0] for curve in curves.values())
    base, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    yield f'<path d="M{LEFT} {TOP}V{base}H{right}" fill="none" stroke="#888"/>'
    title = f"{run.collections:,} collections on {run.engines} engine{'s'[: run.engines > 1]}"
    yield f'<text x="{LEFT}" y="18" font-weight="bold">{title}: Ready by when</text>'
    yield f'<text x="{LEFT - 8}" y="{TOP + 4}" text-anchor="end">{run.collections:,}</text>'
    yield f'<text x="{LEFT - 8}" y="{base}" text-anchor="end">0</text>'
    for place, (name, curve) in enumerate(curves.items()):
        points = [(0.0, 0), *curve]
        way = " ".join(
            f"{LEFT + seconds / longest * (right - LEFT):.1f},"
            f"{base - ready / run.collections * (base - TOP):.1f}"
            for seconds, ready in points
        )
        colour = COLOURS[name]
        yield f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>'
        end = LEFT + points[-1][0] / longest * (right - LEFT)
        yield (
            f'<text x="{end:.0f}" y="{base + 16}" text-anchor="middle" fill="{colour}">'
            f"{points[-1][0]:.1f} s</text>"
        )
        x, y = right - 110, base - 60 + 18 * place
        yield f'<text x="{x}" y="{y}" fill="{colour}">{name}</text>'
