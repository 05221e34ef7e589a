"""A plan as a table, in Markdown for merge requests, or in JSON."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from rich.markup import escape

from quiver.commands.screen import console, table
from quiver.domain.plans import Action, Change, Danger, Exit, by_danger, counted, exit_of
from quiver.domain.quantities import binary_size
from quiver.domain.text import one_line

HEADINGS = ("action", "object", "rows dropped", "bytes dropped", "what")
WORDS = {
    Action.CREATE: "to create",
    Action.ADOPT: "to adopt",
    Action.CHANGE: "to change",
    Action.DROP: "to drop",
    Action.RELEASE: "to release, whose vectors stay",
    Action.WAITS: "will wait",
    Action.REFUSED: "refused",
    Action.UNKNOWN: "unknown",
    Action.NONE: "unchanged",
}
STYLES = {
    Danger.DROPS_ROWS: "bold red",
    Danger.UNKNOWN: "bold red",
    Danger.REFUSED: "red",
    Danger.DROPS: "red",
    Danger.INTERRUPTS: "yellow",
    Danger.ADOPTS: "green",
    Danger.CREATES: "green",
}
AT_LEAST = "at least "
TEXT = 1200
MOST_ROWS = 1000
"""Of a table, which people read."""


@dataclass(frozen=True)
class Plan:
    """All changes, how many objects of others there were, by kind, and what else to know."""

    changes: Sequence[Change]
    ignored: dict[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def exit(self) -> Exit:
        return exit_of(self.changes)


def as_table(plan: Plan) -> None:
    """Print it. What stays as it is is only counted."""
    shown = _shown(plan.changes)
    screen = console()
    if shown:
        found = table(HEADINGS, ([escape(cell) for cell in _row(c)] for c in shown))
        for row, change in zip(found.rows, shown, strict=True):
            row.style = STYLES.get(change.danger, "")
        screen.print(found)
        screen.print()
    for line in _last(plan):
        screen.print(escape(line), soft_wrap=True)


def as_markdown(plan: Plan) -> str:
    """Return a table and the summary."""
    lines = []
    shown = _shown(plan.changes)
    if shown:
        lines += [_cells(HEADINGS), _cells("---" for _ in HEADINGS)]
        lines += [_cells(map(_in_markdown, _row(change))) for change in shown]
        lines.append("")
    lines += map(_in_markdown, _last(plan))
    return "\n".join(lines)


def as_json(plan: Plan) -> str:
    """Return all changes, those of nothing too."""
    document = {
        "complete": plan.exit is not Exit.ERROR,
        "exitCode": plan.exit.value,
        "summary": counted(plan.changes),
        "rowsDropped": _sum(change.rows for change in plan.changes),
        "bytesDropped": _sum(change.bytes for change in plan.changes),
        "bytesAreAtLeast": any(change.is_least for change in plan.changes),
        "changes": [_in_json(change) for change in by_danger(plan.changes)],
        "ignored": plan.ignored,
        "notes": list(plan.notes),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def unknown(plan: Plan) -> list[str]:
    """Return a line for each object of which something could not be found out."""
    return [
        f"{_object(change)}: {change.message or 'the engine did not tell how many rows it has'}"
        for change in by_danger(plan.changes)
        if not change.is_known
    ]


def _shown(changes: Iterable[Change]) -> list[Change]:
    return _worth_it(changes)[:MOST_ROWS]


def _worth_it(changes: Iterable[Change]) -> list[Change]:
    return [c for c in by_danger(changes) if c.action is not Action.NONE or c.warnings]


def _row(change: Change) -> tuple[str, ...]:
    is_drop = bool(change.stakes)
    return (
        change.action.value,
        _object(change),
        _number(change.rows) if is_drop else "",
        _bytes(change) if is_drop else "",
        _what(change),
    )


def _what(change: Change) -> str:
    parts = list(change.what) or ([f"spec: {', '.join(change.fields)}"] if change.fields else [])
    if change.interrupts:
        parts.append("searches suffer meanwhile")
    said = f"{change.reason}: {change.message}" if change.message else ""
    warnings = (f"warning: {warning}" for warning in change.warnings)
    return one_line(". ".join(filter(None, ("; ".join(parts), said, *warnings))), TEXT)


def _object(change: Change) -> str:
    return f"{change.kind.kind} {change.key}"


def _number(rows: int | None) -> str:
    return "unknown" if rows is None else f"{rows:,}"


def _bytes(change: Change) -> str:
    size = change.bytes
    if size is None:
        return "unknown"
    return f"{AT_LEAST if change.is_least else ''}{binary_size(size) if size else '0'}"


def _last(plan: Plan) -> Iterator[str]:
    left = len(_worth_it(plan.changes)) - MOST_ROWS
    if left > 0:
        yield f"And {left:,} more, none of them worse: -o json has all."
    counts = counted(plan.changes)
    parts = [f"{number:,} {WORDS[Action(action)]}" for action, number in counts.items()]
    yield f"Plan: {', '.join(parts) or 'no object of Quiver'}."
    rows, size = (_sum(found) for found in _dropped(plan))
    if rows is None:
        yield "Rows are dropped, and an engine does not tell how many."
    elif rows and size is not None:
        least = AT_LEAST if any(change.is_least for change in plan.changes) else ""
        yield f"Dropped with them: {rows:,} rows, {least}{binary_size(size)} without indexes."
    if plan.ignored:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(plan.ignored.items()))
        yield f"Not Quiver's, and ignored: {kinds}."
    yield from (f"Note: {note}" for note in plan.notes)


def _dropped(plan: Plan) -> tuple[list[int | None], list[int | None]]:
    return [c.rows for c in plan.changes], [c.bytes for c in plan.changes]


def _sum(numbers: Iterable[int | None]) -> int | None:
    found = list(numbers)
    return None if None in found else sum(number or 0 for number in found)


def _in_json(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind.kind,
        "namespace": change.key.namespace,
        "name": change.key.name,
        "action": change.action.value,
        "danger": change.danger.name,
        "what": list(change.what),
        "fields": list(change.fields),
        "reason": change.reason,
        "message": change.message,
        "rows": change.rows,
        "bytes": change.bytes,
        "bytesAreAtLeast": change.is_least,
        "drops": [{"name": s.what, "rows": s.rows, "bytes": s.bytes} for s in change.stakes],
        "warnings": list(change.warnings),
        "source": change.source,
    }


def _cells(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _in_markdown(text: str) -> str:
    """Return the text so that it shows as it is, in a cell too."""
    for character in "\\`*_{}[]<>#|~&":
        text = text.replace(character, f"\\{character}")
    return text
