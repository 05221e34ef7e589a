"""Building programs into the cache, with a stand-in for Go that a test can hold up."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from localcluster.binaries import Binaries, misfits
from localcluster.build import build, cached_path
from localcluster.catalogue import CATALOGUE, FLUX, OF_CLUSTERS, Program
from localcluster.toolchain import Go
from localcluster.versions import numbers
from machine.errors import BuildError
from machine.modules import module_environment
from support.waiting import wait_until

# Called as `go build … -o OUTPUT PACKAGE`; builds when the gate is there, and keeps count.
STAND_IN = """\
#!/bin/sh
while [ "$1" != -o ]; do shift; done
echo half > "$2"
echo run >> {folder}/runs
until [ -e {folder}/gate ]; do sleep 0.02; done
[ -e {folder}/broken ] && {{ echo "main.go:1: does not compile" >&2; exit 1; }}
echo whole > "$2"
"""


class Workshop:
    """A Go module and a stand-in for Go, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        module = folder / "module"
        module.mkdir()
        (module / "go.mod").write_text("module example\n")
        command = folder / "go"
        command.write_text(STAND_IN.format(folder=folder))
        command.chmod(0o755)
        self.go = Go(command, "go1.26.0")
        self.program = Program("tool", module, ".", "1")

    @property
    def target(self) -> Path:
        return cached_path(self.program, self.go)

    def open_gate(self) -> None:
        (self.folder / "gate").touch()

    def runs(self) -> int:
        try:
            return len((self.folder / "runs").read_text().splitlines())
        except FileNotFoundError:
            return 0


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A module to build, with an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Workshop(tmp_path)


def test_a_program_is_built_once(workshop: Workshop) -> None:
    """A second build of the same module, Go and flags takes the first one's result."""
    workshop.open_gate()
    first = build(workshop.program, workshop.go, print)
    assert build(workshop.program, workshop.go, print) == first
    assert workshop.runs() == 1


@pytest.mark.parametrize("change", ["module", "go"])
def test_a_changed_module_or_go_has_another_place(workshop: Workshop, change: str) -> None:
    """What a program's bytes depend on is in its path, so nothing stale is ever taken."""
    before = workshop.target
    if change == "module":
        (workshop.program.module / "go.sum").write_text("example v1\n")
        assert workshop.target != before
    else:
        assert cached_path(workshop.program, Go(workshop.go.command, "go1.27.0")) != before


def test_flux_is_built_only_for_those_who_ask(workshop: Workshop) -> None:
    """No cluster needs Flux' controllers, and it can be known that they are missing."""
    assert set(FLUX).isdisjoint(OF_CLUSTERS)
    assert Binaries.missing(FLUX) == list(FLUX)


def test_a_killed_build_leaves_nothing_half_made(workshop: Workshop) -> None:
    """After a SIGKILL in mid-build the program is not there, and the next build makes it."""
    script = (
        "from pathlib import Path\n"
        "from localcluster.build import build\n"
        "from localcluster.catalogue import Program\n"
        "from localcluster.toolchain import Go\n"
        f"folder = Path({str(workshop.folder)!r})\n"
        "program = Program('tool', folder / 'module', '.', '1')\n"
        "build(program, Go(folder / 'go', 'go1.26.0'), print)\n"
    )
    builder = subprocess.Popen(
        [sys.executable, "-c", script], env=module_environment(), stdout=subprocess.DEVNULL
    )
    wait_until(lambda: workshop.runs() == 1, "the build has begun")
    builder.kill()
    builder.wait()
    assert not workshop.target.exists()
    workshop.open_gate()
    build(workshop.program, workshop.go, print)
    assert workshop.target.read_text() == "whole\n"
    assert os.listdir(workshop.target.parent) == ["tool"]  # noqa: PTH208


def test_builds_of_one_program_wait_for_each_other(workshop: Workshop) -> None:
    """Whoever comes second says that it waits, and takes what the first one built."""
    built: queue.Queue[Path] = queue.Queue()
    said: list[str] = []

    def work() -> None:
        built.put(build(workshop.program, workshop.go, said.append))

    first = threading.Thread(target=work)
    first.start()
    wait_until(lambda: workshop.runs() == 1, "the first build has begun")
    second = threading.Thread(target=work)
    second.start()
    wait_until(lambda: any("waiting" in line for line in said), "the second says that it waits")
    workshop.open_gate()
    first.join()
    second.join()
    assert built.get() == built.get() == workshop.target
    assert workshop.runs() == 1


def test_a_failed_build_shows_the_compilers_words(workshop: Workshop) -> None:
    """The error says what could not be built and how the compiler put it."""
    (workshop.folder / "broken").touch()
    workshop.open_gate()
    with pytest.raises(BuildError, match=r"(?s)tool 1 could not be built.*does not compile"):
        build(workshop.program, workshop.go, print)
    assert not workshop.target.exists()


@pytest.mark.parametrize(("version", "taken"), [("3.7.4", True), ("3.6.1", False)])
def test_a_provided_program_is_taken_where_its_version_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, taken: bool
) -> None:
    """KUBEBUILDER_ASSETS wins over building, unless its program is of another minor version."""
    provided = tmp_path / "etcd"
    provided.write_text(f"#!/bin/sh\necho etcd Version: {version}\n")
    provided.chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    found = Binaries.ensure(names=["etcd"])
    assert (found.path("etcd") == provided) is taken
    assert ("KUBEBUILDER_ASSETS" in found.origins()[0]) is taken


def test_a_program_that_is_not_taken_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has a program of another version learns which one is needed."""
    provided = tmp_path / "helm"
    provided.write_text("#!/bin/sh\necho v3.19.0\n")
    provided.chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    said = list(misfits("helm"))
    assert said == [
        f"{provided} is not taken: it is 3.19.0, and {CATALOGUE['helm'].fitting} is needed"
    ]


def test_kubectl_may_be_one_minor_version_off() -> None:
    """Kubernetes supports such a kubectl, so it is taken; an API server has to be as pinned."""
    major, minor = numbers(CATALOGUE["kubectl"].version)[:2]
    versions = [f"{major}.{minor + n}.0" for n in (-2, -1, 0, 1, 2)]
    fits = [CATALOGUE["kubectl"].fits(version) for version in versions]
    assert fits == [False, True, True, True, False]
    assert [CATALOGUE["kube-apiserver"].fits(version) for version in versions].count(True) == 1
