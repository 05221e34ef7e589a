"""One run of the demo: what is built before and meanwhile, which stage, which steps."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from demo import jobs
from demo.local_processes import LocalProcesses
from demo.play import Play
from demo.preparation import Preparation
from demo.runner import tell
from demo.screen import Screen
from demo.stage import Stage
from demo.story import END, FIRST_LOOK, Step
from localcluster import catalogue
from localcluster.binaries import misfits
from machine.forecast import told

WORTH_A_FIRST_LOOK_S = 45.0


@dataclass
class Run:
    """`story` is what is told in the end, on `stage`, when what it `waits_for` is there.

    That is all that is `needed`, unless it is named.
    """

    screen: Screen
    directory: Path
    needed: Sequence[str]
    stage: Stage
    story: Sequence[Step]
    waits_for: Sequence[str] = ()
    with_first_look: bool = False
    began: float = field(default_factory=time.monotonic)

    def perform(self) -> bool:
        """Tell it all; return whether each step did what it should. Raises BuildError.

        The stage stands afterwards; what was prepared in the background has ended.
        """
        preparation = Preparation(self.needed, self.directory)
        self._announce(preparation)
        preparation.start()
        try:
            if self._shows_first_look(preparation):
                self._wait(preparation, jobs.FIRST, "until the first look")
                if not self._first_look(preparation):
                    return False
            self._wait(preparation, self.waits_for, "until the story")
            return self._tell(self.stage, self.story)
        finally:
            preparation.stop()

    def _announce(self, preparation: Preparation) -> None:
        missing = preparation.missing
        for name in missing:
            for line in misfits(name) if name in catalogue.CATALOGUE else ():
                self.screen.note(line)
        if missing:
            takes = told(preparation.remaining_s())
            self.screen.note(
                f"to be built or fetched first, once, in {takes}: {', '.join(missing)}"
            )
        else:
            self.screen.note("all programs are there already")

    def _shows_first_look(self, preparation: Preparation) -> bool:
        rest_s = preparation.remaining_s() - preparation.remaining_s(*jobs.FIRST)
        return self.with_first_look and rest_s > WORTH_A_FIRST_LOOK_S

    def _first_look(self, preparation: Preparation) -> bool:
        """Show on an API server what that alone can show, while the rest is being built."""
        directory = self.directory / "first-look"
        directory.mkdir()
        stage = LocalProcesses(directory, self.screen)
        self.screen.title("A first look, without nodes, while what nodes need is being built")
        rest = Step("The rest is built", partial(self._rest, preparation, stage), 0)
        try:
            return self._tell(
                stage,
                (*FIRST_LOOK, rest, END),
                lambda: preparation.remaining_s() + sum(step.usual_s for step in self.story),
            )
        finally:
            stage.stop()

    def _rest(self, preparation: Preparation, stage: LocalProcesses, _: Play) -> None:
        if preparation.left():
            self.screen.note("Meanwhile this cluster is yours. In another terminal:")
            stage.say_how_to_use()
        self._wait(preparation, (), "until the story goes on, on nodes")

    def _wait(self, preparation: Preparation, names: Sequence[str], until: str) -> None:
        with self.screen.waiting() as say:
            preparation.wait(lambda left: say(_progress(preparation, left, until)), names)

    def _tell(
        self, stage: Stage, steps: Sequence[Step], after_s: Callable[[], float] = lambda: 0.0
    ) -> bool:
        return tell(Play(stage, self.screen, self.began), steps, after_s)


def _progress(preparation: Preparation, left: Sequence[str], until: str) -> str:
    more = f" and {len(left) - 1} more" if len(left) > 1 else ""
    text = f"{left[0]} is being made{more}: {told(preparation.remaining_s(*left))} {until}"
    if len(preparation.left()) > len(left):
        text += f", {told(preparation.remaining_s())} until all is there"
    return text
