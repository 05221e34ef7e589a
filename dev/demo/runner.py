"""Tells the story: step after step, and what was expected where one fails."""

import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from demo.play import Play
from demo.shell import Unexpected
from demo.stage import Refused
from demo.story import Step
from machine.errors import SetupError
from machine.forecast import Forecast, told

FAILURES = (Unexpected, SetupError, OSError, ValueError, subprocess.SubprocessError)


def performed(steps: Sequence[Step], play: Play) -> list[Step]:
    """Return the steps that this stage can show."""
    return [step for step in steps if play.stage.has_gpus or not step.needs_gpus]


def tell(play: Play, steps: Sequence[Step], after_s: Callable[[], float] = lambda: 0.0) -> bool:
    """Perform the steps; return whether each of them did what it should.

    Each title says how long all still takes: these steps, and `after_s` of what comes after.
    """
    shown = performed(steps, play)
    forecast = Forecast({step.title: step.usual_s for step in shown})
    for number, step in enumerate(shown, start=1):
        left = told(forecast.remaining_s() + after_s())
        play.screen.title(f"[{number}/{len(shown)}] {step.title} ({left} to go)")
        forecast.begin(step.title)
        at = time.monotonic()
        try:
            step.perform(play)
        except Refused as error:
            play.screen.failure(f"\n{error}")
            return False
        except FAILURES as error:
            _explain(play, step, error)
            return False
        forecast.end(step.title)
        play.screen.progress(f"{time.monotonic() - at:.1f} s")
    return True


def _explain(play: Play, step: Step, error: Exception) -> None:
    play.screen.failure(f"\nFailed: {step.title}\n{error}")
    with suppress(AssertionError, Unexpected):
        objects = play.shell.quiet("kubectl", "get", "vcol,veng,pods", "-o", "wide")
        play.screen.note("what is there:")
        play.screen.answer(objects)
        play.screen.note("the operator's last lines:")
        play.screen.answer(play.stage.operator_log())
