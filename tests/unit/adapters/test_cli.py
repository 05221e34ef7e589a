"""The command line, as somebody meets it who has just installed it."""

import sys

import pytest
from click.testing import CliRunner

from quiver import __version__
from quiver.cli import main


def test_version() -> None:
    """--version says the version."""
    assert CliRunner().invoke(main, ["--version"]).output == f"quiver, version {__version__}\n"


@pytest.mark.parametrize("command", [[], ["operator"], ["engine"]])
def test_help(command: list[str]) -> None:
    """Every command explains itself."""
    result = CliRunner().invoke(main, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_without_a_cluster_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator that is pointed at no cluster ends with what to do about it."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("quiver.command._set_up_logging", lambda *_: None)
    result = CliRunner().invoke(main, ["operator"])
    assert result.exit_code == 1
    assert result.output == (
        "Error: no Kubernetes cluster: set KUBECONFIG to the path of a kubeconfig file,"
        " or run inside a pod\n"
    )


def test_options_come_from_the_environment_too() -> None:
    """QUIVER_WORKERS is --workers."""
    result = CliRunner().invoke(main, ["operator"], env={"QUIVER_WORKERS": "many"})
    assert result.exit_code == 2
    assert "--workers" in result.output


def test_without_the_extra_the_engine_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A missing package of the engine's is no traceback."""
    monkeypatch.setitem(sys.modules, "quiver_engine.cli", None)
    monkeypatch.setattr("quiver.cli.EXTRA", {"quiver_engine.cli"})
    result = CliRunner().invoke(main, ["engine", "--data-dir", "x"])
    assert result.exit_code == 1
    assert "pip install 'quiver[engine]'" in result.output
