"""Building in the background, with a stand-in for Go that a test can hold up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.preparation import Preparation
from machine.errors import BuildError

# `go build … -o OUTPUT PACKAGE` waits for the gate of its program, and fails if that says so.
STAND_IN = """\
#!/bin/sh
[ "$1" = version ] && {{ echo "go version go1.26.8 linux/amd64"; exit; }}
while [ "$1" != -o ]; do shift; done
name=$(basename "$3")
until [ -e {gates}/$name ]; do sleep 0.02; done
grep -s broken {gates}/$name && exit 1
echo built > "$2"
"""
KUBECTL, HELM = "kubectl", "helm"


@pytest.fixture
def gates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder: a program is built once a file of its name lies there. The cache is empty."""
    folder = tmp_path / "gates"
    folder.mkdir()
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(STAND_IN.format(gates=folder))
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{go.parent}:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return folder


@pytest.fixture
def preparation(gates: Path, tmp_path: Path) -> Iterator[Preparation]:
    """Two programs, kubectl and helm in this order, being built."""
    made = Preparation([KUBECTL, HELM], tmp_path).start()
    yield made
    made.stop()


def test_the_story_begins_while_the_rest_is_being_built(
    gates: Path, preparation: Preparation
) -> None:
    """Waiting for the first programs ends when they are there; the others are still to come."""
    assert preparation.missing == [KUBECTL, HELM]
    (gates / KUBECTL).touch()
    preparation.wait(lambda _: None, [KUBECTL])
    assert preparation.left() == [HELM]
    assert preparation.remaining_s() > 0
    (gates / HELM).touch()
    preparation.wait(lambda _: None)
    assert preparation.remaining_s() == 0


def test_a_failed_build_is_said_where_it_is_waited_for(
    gates: Path, preparation: Preparation
) -> None:
    """Who waits for a program that cannot be built gets the compiler's words, not silence."""
    (gates / KUBECTL).write_text("main.go:1: broken")
    with pytest.raises(BuildError, match=r"(?s)kubectl .* could not be built.*main.go:1: broken"):
        preparation.wait(lambda _: None, [KUBECTL])


def test_what_is_there_is_not_built_again(
    gates: Path, preparation: Preparation, tmp_path: Path
) -> None:
    """With every program in the cache nothing is started, and nothing is waited for."""
    for name in (KUBECTL, HELM):
        (gates / name).touch()
    preparation.wait(lambda _: None)
    again = Preparation([KUBECTL, HELM], tmp_path / "again")
    assert again.missing == []
    assert again.remaining_s() == 0
