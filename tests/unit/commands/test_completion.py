"""`quiver completion`, in the shells that are there."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from quiver.cli import COMMANDS, main
from support.quiver_programs import installed_programs

CHECKS = {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "--no-execute"]}
SIGNS = {
    "bash": "complete -o nosort -F _quiver_completion quiver",
    "zsh": "#compdef quiver",
    "fish": "complete --no-files --command quiver",
}
ASKS = """
source "$SCRIPT"
COMP_WORDS=({words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_quiver_completion quiver
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def script(shell: str) -> str:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("shell", list(CHECKS))
def test_the_script_is_one_of_that_shell(shell: str, tmp_path: Path) -> None:
    """By the shell itself, where it is installed."""
    text = script(shell)
    assert SIGNS[shell] in text
    assert f"_QUIVER_COMPLETE={shell}_complete" in text
    if shutil.which(shell) is None:
        return
    file = tmp_path / "script"
    file.write_text(text)
    subprocess.run([*CHECKS[shell], str(file)], check=True)


def in_bash(words: str, folder: Path) -> list[str]:
    file = folder / "script"
    file.write_text(script("bash"))
    environment = {**os.environ, "PATH": installed_programs(folder), "SCRIPT": str(file)}
    ran = subprocess.run(
        ["bash", "--norc", "-c", ASKS.format(words=words)],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    return ran.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("quiver stat", ["status"]),
        ("quiver comple", ["completion"]),
        ("quiver completion ''", ["bash", "zsh", "fish"]),
        ("quiver status --all", ["--all-namespaces"]),
        ("quiver ''", sorted(COMMANDS)),
    ],
)
def test_bash_completes(words: str, completed: list[str], tmp_path: Path) -> None:
    assert in_bash(words, tmp_path) == completed


def test_another_shell_is_not_known() -> None:
    result = CliRunner().invoke(main, ["completion", "tcsh"])
    assert result.exit_code == 1
    assert "'bash', 'zsh', 'fish'" in result.output
