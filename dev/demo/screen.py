"""What the demo says: with colours on a terminal, plain text otherwise."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from rich.console import Console

TELL_EVERY_S = 15.0


class Screen:
    """Prints titles, commands, answers and notes. Nothing is wrapped or cut.

    A reader that goes away is as good as Ctrl-C, once: what follows clears up, unheard.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._has_no_reader = False
        self._is_interrupted = False
        self._is_ending = False

    def interrupt(self) -> NoReturn:
        """End the story: now or, if the exception is lost in a destructor, at its next word."""
        self._is_interrupted = True
        raise KeyboardInterrupt

    def end(self) -> None:
        """Interrupt nothing from now on: what comes clears up."""
        self._is_interrupted = False
        self._is_ending = True

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

    @contextmanager
    def waiting(self) -> Iterator[Callable[[str], None]]:
        """Yield what tells how far something is, as often as it likes.

        On a terminal that is one line that changes, elsewhere a line now and then.
        """
        if self._console.is_terminal:
            with self._console.status("") as status:
                yield lambda text: status.update(f"[dim]{text}[/dim]")
            return
        told_at = -TELL_EVERY_S

        def tell(text: str) -> None:
            nonlocal told_at
            if time.monotonic() >= told_at + TELL_EVERY_S:
                told_at = time.monotonic()
                self.progress(text)

        yield tell

    def failure(self, text: str) -> None:
        self._print(text, style="bold red")

    def _print(self, text: str, style: str | None = None) -> None:
        if self._is_interrupted:
            raise KeyboardInterrupt
        if self._has_no_reader:
            return
        try:
            self._console.print(
                text, style=style, markup=False, highlight=False, emoji=False, soft_wrap=True
            )
        except (OSError, SystemExit):  # SystemExit is rich's answer to a broken pipe
            self._has_no_reader = True
            if not self._is_ending:
                self.interrupt()
