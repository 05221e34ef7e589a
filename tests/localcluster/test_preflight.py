"""What is asked of a machine before a node runs on it."""

from __future__ import annotations

import json
import os

import pytest
from click.testing import CliRunner

from localcluster import cgroups, preflight
from localcluster.cli import main


def test_without_root_a_node_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not root is told so, and that a control plane works."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    ((what, remedy),) = preflight.node_problems()
    assert "root" in what
    assert "control plane" in remedy


def test_preflight_speaks_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts get the same answers as people do, and an exit status."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = CliRunner().invoke(main, ["preflight", "--json"])
    assert result.exit_code == 1
    assert [set(problem) for problem in json.loads(result.output)] == [{"what", "remedy"}]


def test_preflight_leaves_no_cgroup() -> None:
    """Trying whether a cgroup can be made leaves none."""
    preflight.node_problems()
    assert not [group for _, root in cgroups.hierarchies() for group in root.glob("qv-preflight-*")]


@pytest.mark.parametrize(
    "command", ["build", "up", "down", "status", "kubeconfig", "preflight", "images"]
)
def test_every_command_explains_itself(command: str) -> None:
    """Each command has a help text."""
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output
