"""What the demo says: with colours on a terminal, plain text otherwise."""

from rich.console import Console


class Screen:
    """Prints titles, commands, answers and notes. Nothing is wrapped or cut."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()

    def title(self, text: str) -> None:
        self._print(f"\n{text}", style="bold")

    def command(self, text: str) -> None:
        self._print(f"$ {text}", style="cyan")

    def answer(self, text: str) -> None:
        if text.strip():
            self._print(text.rstrip("\n"))

    def note(self, text: str) -> None:
        self._print(f"# {text}", style="green")

    def progress(self, text: str) -> None:
        self._print(f"  {text}", style="dim")

    def failure(self, text: str) -> None:
        self._print(text, style="bold red")

    def _print(self, text: str, style: str | None = None) -> None:
        self._console.print(
            text, style=style, markup=False, highlight=False, emoji=False, soft_wrap=True
        )
