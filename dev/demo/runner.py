"""Tells the story: step after step, and what was expected where one fails."""

import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

from demo.play import Play
from demo.shell import Unexpected
from demo.story import Step
from machine.errors import SetupError

FAILURES = (Unexpected, SetupError, OSError, ValueError, subprocess.SubprocessError)


def tell(play: Play, steps: Sequence[Step]) -> bool:
    """Perform the steps; return whether each of them did what it should."""
    began = time.monotonic()
    shown = [step for step in steps if play.stage.has_node or not step.on_node]
    for number, step in enumerate(shown, start=1):
        play.screen.title(f"[{number}/{len(shown)}] {step.title}")
        at = time.monotonic()
        try:
            step.perform(play)
        except FAILURES as error:
            _explain(play, step, error)
            return False
        play.screen.progress(f"{time.monotonic() - at:.1f} s")
    play.screen.title(f"Each step did what it should, in {time.monotonic() - began:.0f} s.")
    return True


def _explain(play: Play, step: Step, error: Exception) -> None:
    play.screen.failure(f"\nFailed: {step.title}\n{error}")
    with suppress(AssertionError, Unexpected):
        objects = play.shell.quiet("kubectl", "get", "vcol,veng,pods", "-A", "-o", "wide")
        play.screen.note("what is there:")
        play.screen.answer(objects)
    play.screen.note("the operator's last lines:")
    play.screen.answer(play.stage.operator_log())
