"""The share of FAISS' speed that reaches a client: a row of bars for each index and data set."""

from collections.abc import Iterator, Sequence

from bench.engine.figures import Run, Search

WIDTH, LEFT, RIGHT, TOP = 720, 290, 60, 40
BAR, GAP = 12, 14
COLOURS = {"nq 1": "#9db7e0", "nq 10": "#6f9be0", "nq 100": "#1f6feb", "nq 1000": "#0b3d91"}
MANY_COLOUR = "#d4740b"


def plot(run: Run) -> str:
    groups: dict[tuple[str, str], list[Search]] = {}
    for search in run.searches:
        groups.setdefault((search.data, search.index), []).append(search)
    bars = sum(len(group) for group in groups.values())
    height = TOP + bars * BAR + len(groups) * GAP + 20
    scale = (WIDTH - LEFT - RIGHT) / max(1.0, *(search.share for search in run.searches))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">',
        "<style>text { font: 11px sans-serif }</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        *_legend(),
    ]
    top = TOP
    for (data, index), group in groups.items():
        parts.append(f'<text x="{LEFT - 8}" y="{top + 11}" text-anchor="end">{data}</text>')
        parts.append(f'<text x="{LEFT - 8}" y="{top + 25}" text-anchor="end">{index}</text>')
        parts += _bars(group, top, scale)
        top += len(group) * BAR + GAP
    x = LEFT + scale
    parts.append(f'<path d="M{x:.1f} {TOP - 6}V{height - 12}" stroke="#888" fill="none"/>')
    return "\n".join([*parts, "</svg>\n"])


def _bars(group: Sequence[Search], top: int, scale: float) -> Iterator[str]:
    for place, search in enumerate(group):
        y, width = top + place * BAR, search.share * scale
        colour = MANY_COLOUR if search.threads > 1 else COLOURS[f"nq {search.nq}"]
        yield f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR - 2}" fill="{colour}"/>'
        yield f'<text x="{LEFT + width + 4:.1f}" y="{y + 9}">{search.share:.2f}</text>'


def _legend() -> Iterator[str]:
    names = {f"{name}, one client": colour for name, colour in COLOURS.items()}
    names["nq 1, 16 clients"] = MANY_COLOUR
    for place, (name, colour) in enumerate(names.items()):
        yield f'<text x="{10 + place * 135}" y="16" fill="{colour}">{name}</text>'
    yield f'<text x="{LEFT}" y="30">queries a second as a share of FAISS</text>'
