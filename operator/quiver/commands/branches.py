"""Trees for people: drawn on a terminal, indented lines in a pipe.

Texts are shown as they are: nothing in them is markup.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.text import Text
from rich.tree import Tree

from quiver.domain.text import one_line

GOOD, BAD, WAITING, QUIET, PLAIN = "green", "bold red", "yellow", "dim", ""
LINE_LIMIT = 3000


@dataclass
class Branch:
    """A line and what is below it. `mark` is a word of the line's beginning that has the style."""

    text: str
    mark: str = ""
    style: str = PLAIN
    below: list["Branch"] = field(default_factory=list)

    def add(self, text: str, mark: str = "", style: str = PLAIN) -> "Branch":
        branch = Branch(text, mark, style)
        self.below.append(branch)
        return branch

    @property
    def line(self) -> str:
        return one_line(f"{self.mark} {self.text}", LINE_LIMIT)


def lines(branch: Branch, depth: int = 0) -> Iterator[str]:
    """Yield the tree as plain lines."""
    yield "  " * depth + branch.line
    for each in branch.below:
        yield from lines(each, depth + 1)


def drawn(branch: Branch) -> Tree:
    """Return the tree as rich draws it."""
    tree = Tree(_label(branch), guide_style=QUIET)
    waiting = [(tree, branch)]
    while waiting:
        above, of = waiting.pop()
        waiting += [(above.add(_label(each)), each) for each in of.below]
    return tree


def _label(branch: Branch) -> Text:
    if not branch.mark:
        return Text(branch.line, branch.style)
    label = Text(branch.line)
    label.stylize(branch.style, 0, len(branch.mark))
    return label
