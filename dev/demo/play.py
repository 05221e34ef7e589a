"""What the steps of the story share: the stage, and the client that uses the engine."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from demo.screen import Screen
from demo.shell import Shell, Unexpected
from demo.stage import Stage

WAIT_S = 60


@dataclass(frozen=True)
class Play:
    """One telling of the story."""

    stage: Stage
    screen: Screen
    began: float
    """When the demo began, by the monotonic clock."""

    @property
    def shell(self) -> Shell:
        return self.stage.shell

    def age_s(self) -> float:
        return time.monotonic() - self.began

    def client(self, *words: str) -> str:
        """Run the Milvus 1.x client against the engine; return what it said."""
        return self.shell.run("python", "dev/demo/client.py", self.stage.engine_address(), *words)

    def collections(self) -> set[str]:
        """Show and return the names of all collections on the engine."""
        return set(self.client("list").split())

    def wait_ready(self, *objects: str) -> None:
        condition = "--for=condition=Ready"
        self.shell.run("kubectl", "wait", *objects, condition, f"--timeout={WAIT_S}s")

    def until(self, *words: str, holds: Callable[[str], bool], expected: str) -> str:
        return self.shell.until(*words, holds=holds, expected=expected, within_s=WAIT_S)


def expect(came: object, expected: object, what: str) -> None:
    """Raise Unexpected, naming `what`, unless the two are equal."""
    if came != expected:
        raise Unexpected(f"{what} to be {_told(expected)}", _told(came))


def expect_in(part: str, told: str, what: str) -> None:
    if part not in told:
        raise Unexpected(f"{what} to contain {part!r}", told)


def _told(value: object) -> str:
    return str(sorted(value)) if isinstance(value, set | frozenset) else repr(value)
