"""Trees for people: whatever a text holds, it is one line, and nothing in it is markup."""

from io import StringIO

from rich.console import Console

from quiver.commands.branches import BAD, Branch, drawn, lines

HOSTILE = "[red]x[/red]\x1b[2J\r\n:smile: \u202e"
SHOWN = "[red]x[/red] [2J :smile:"


def tree() -> Branch:
    branch = Branch("engine", "✗", BAD)
    branch.add(HOSTILE)
    branch.add("pod").add(HOSTILE, "!", BAD)
    return branch


def test_a_pipe_gets_indented_lines() -> None:
    assert list(lines(tree())) == ["✗ engine", f"  {SHOWN}", "  pod", f"    ! {SHOWN}"]


def test_a_terminal_gets_a_tree_in_the_same_order() -> None:
    screen = Console(file=StringIO(), width=80, color_system=None)
    with screen.capture() as captured:
        screen.print(drawn(tree()))
    shown = [line.rstrip() for line in captured.get().splitlines()]
    assert shown == ["✗ engine", f"├── {SHOWN}", "└── pod", f"    └── ! {SHOWN}"]
