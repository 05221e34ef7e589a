"""A release without images, built twice in a copy of the repository, and what is in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from quiver import __version__
from quiver.cli import COMMANDS
from release import sums
from release.names import Names
from tools.render import helm, in_one_file

pytestmark = pytest.mark.xdist_group("release")  # one worker: each would build its own

ROOT = Path(__file__).parents[2]
REGISTRY = "registry.example.org/team"
DIGEST = f"sha256:{'ab' * 32}"
WHO = ("-c", "user.name=A", "-c", "user.email=a@example.org")
SOURCE_ROOTS = ("operator", "engine", "proto", "dev")


@dataclass(frozen=True)
class Clone:
    """A copy of the repository with a commit of its own."""

    root: Path

    @property
    def dist(self) -> Path:
        """Where its release is."""
        return self.root / "dist"

    def git(self, *arguments: str) -> None:
        """Run git in it."""
        subprocess.run(["git", *WHO, *arguments], cwd=self.root, check=True, capture_output=True)

    def release(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run its `python -m release`."""
        roots = os.pathsep.join(str(self.root / name) for name in SOURCE_ROOTS)
        return subprocess.run(
            [sys.executable, "-m", "release", *arguments],
            env={**os.environ, "PYTHONPATH": roots, "IMAGE_REGISTRY": REGISTRY, "IMAGES": "0"},
            capture_output=True,
            text=True,
            check=False,
        )

    def one(self, pattern: str) -> Path:
        """The file of the release that matches."""
        [found] = self.dist.glob(pattern)
        return found


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The repository as it is here, committed, with a dated section in its changelog; released."""
    found = Clone(tmp_path_factory.mktemp("copy") / "quiver")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for path in filter(os.path.lexists, (ROOT / name for name in names.split("\0") if name)):
        copy = found.root / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy, follow_symlinks=False)
    changelog = found.root / "CHANGELOG.md"
    dated = f"## [Unreleased]\n\n## [{__version__}] - 2030-05-17\n"
    text = re.sub(rf"^## \[{__version__}\].*\n", "", changelog.read_text(), flags=re.MULTILINE)
    changelog.write_text(text.replace("## [Unreleased]\n", dated))
    found.git("init", "--quiet")
    found.git("add", ".")
    found.git("commit", "--quiet", "--message", "Release")
    done = found.release("build")
    assert done.returncode == 0, done.stderr
    return found


def test_a_release_has_every_part(clone: Clone) -> None:
    """And the sums say of each file that it is there as it was built."""
    assert sorted(path.name for path in clone.dist.iterdir()) == [
        "RELEASE_NOTES.md",
        "SHA256SUMS",
        "crds.yaml",
        "images.txt",
        "install.yaml",
        f"quiver-{__version__}.tgz",
        f"quiver_operator-{__version__}-py3-none-any.cdx.json",
        f"quiver_operator-{__version__}-py3-none-any.whl",
        f"quiver_operator-{__version__}.tar.gz",
    ]
    assert list(sums.problems(clone.dist)) == []
    notes = (clone.dist / "RELEASE_NOTES.md").read_text()
    assert notes.startswith(f"# Quiver {__version__} (2030-05-17)\n\n###")


def test_two_builds_are_the_same(clone: Clone) -> None:
    """At another path, with other times, another umask and time zone, each file has the same
    bytes.
    """
    done = clone.release("check")
    files = [path.name for path in sorted(clone.dist.iterdir()) if path.name != sums.FILE]
    assert done.stdout.splitlines() == [f"{name}: the same" for name in files], done.stderr
    assert done.returncode == 0


def test_the_wheel_runs_where_nothing_else_of_quiver_is(clone: Clone, tmp_path: Path) -> None:
    """Installed into an environment of its own, it brings the command."""
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"]
    pip += ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*pip, str(clone.one("*.whl"))], check=True, cwd=tmp_path)
    # Dependencies are those of this environment. Its link to Quiver's sources is not followed.
    environment = {"PYTHONPATH": sysconfig.get_path("purelib"), "PATH": os.environ["PATH"]}

    def run(program: str, *words: str) -> str:
        command = [str(folder / "bin" / program), *words]
        return subprocess.check_output(command, env=environment, cwd=tmp_path, text=True)

    assert run("quiver", "--version").strip() == f"quiver, version {__version__}"
    told = run("quiver", "--help")
    assert [command for command in COMMANDS if f"\n  {command} " not in told] == []
    places = "import quiver, quiver_engine, quiver_proto as p; print(quiver, quiver_engine, p)"
    assert run("python", "-c", places).count(str(folder)) == 3


def test_the_wheel_has_the_program_and_nothing_of_its_tools(clone: Clone) -> None:
    """Operator, engine and protocol, all of their files that git knows, and the metadata."""
    with zipfile.ZipFile(clone.one("*.whl")) as wheel:
        found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert found == set(_sources(clone.root))
    assert {name.partition("/")[0] for name in found} == {"quiver", "quiver_engine", "quiver_proto"}


def test_the_source_distribution_has_what_the_wheel_is_built_of(clone: Clone) -> None:
    """The sources of the wheel, which was built of them, and no test, tool or chart."""
    top = f"quiver_operator-{__version__}"
    with tarfile.open(clone.one("*.tar.gz")) as archive:
        found = {member.name.removeprefix(f"{top}/") for member in archive if member.isfile()}
    beside = {name for name in found if not name.startswith(("operator/", "engine/", "proto/"))}
    sources = {name.partition("/")[2] for name in found - beside}
    assert sources == set(_sources(clone.root))
    assert beside <= {
        *("CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", ".gitignore")
    }


def test_the_chart_package_installs_the_images_of_the_release(clone: Clone) -> None:
    """Helm renders it without values, and both images are in the registry of the release."""
    command = [str(helm()), "template", "quiver", str(clone.one("quiver-*.tgz"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    images = Names.read(clone.dist).references
    assert images == [f"{REGISTRY}/quiver-{name}:{__version__}" for name in ("operator", "engine")]
    assert _images(list(yaml.safe_load_all(done.stdout))) == images


def test_artifact_hub_is_told_of_images_and_changes(clone: Clone) -> None:
    """The package's annotations have them, besides what the chart says itself."""
    with tarfile.open(clone.one("quiver-*.tgz")) as package:
        file = package.extractfile("quiver/Chart.yaml")
        assert file is not None
        told = yaml.safe_load(file)["annotations"]
    images = yaml.safe_load(told["artifacthub.io/images"])
    assert [entry["image"] for entry in images] == Names.read(clone.dist).references
    assert [entry["name"] for entry in images] == ["quiver-operator", "quiver-engine"]
    changes = yaml.safe_load(told["artifacthub.io/changes"])
    known = {"added", "changed", "deprecated", "removed", "fixed", "security"}
    assert {change["kind"] for change in changes} <= known
    assert all(change["description"] for change in changes)
    assert yaml.safe_load(told["artifacthub.io/crds"])


def test_the_manifest_names_what_a_registry_has(clone: Clone) -> None:
    """Images by version, and by digest where they were pushed; and no other is named."""
    text = (clone.dist / "install.yaml").read_text()
    images = Names.read(clone.dist).references
    assert _images(list(yaml.safe_load_all(text))) == images
    assert "localhost/" not in text
    pushed = Names([f"{image}@{DIGEST}" for image in images])
    by_digest = in_one_file(clone.one("quiver-*.tgz"), "", pushed.values)
    assert _images(list(yaml.safe_load_all(by_digest))) == pushed.references


def test_the_crds_can_be_installed_alone(clone: Clone) -> None:
    """One file has them as they are in the repository."""
    sources = [path.read_text() for path in sorted((ROOT / "crds").glob("*.yaml"))]
    crds = list(yaml.safe_load_all((clone.dist / "crds.yaml").read_text()))
    assert crds == [yaml.safe_load(source) for source in sources]


def test_what_is_no_release_is_not_built(clone: Clone) -> None:
    """A changed file beside the commit is named, and the release before stays as it was."""
    before = (clone.dist / sums.FILE).read_text()
    changed = clone.root / "notes.txt"
    changed.touch()
    done = clone.release("build")
    changed.unlink()
    assert done.returncode == 1
    assert "There are uncommitted changes: notes.txt" in done.stderr
    assert (clone.dist / sums.FILE).read_text() == before
    assert list(sums.problems(clone.dist)) == []


def _sources(root: Path) -> Iterator[str]:
    for folder in ("operator/quiver", "engine/quiver_engine", "proto/quiver_proto"):
        for path in (root / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield str(path.relative_to((root / folder).parent))


def _images(manifests: list[Any]) -> list[str]:
    [deployment] = [found for found in manifests if found and found["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    option = "--engine-image="
    [engine] = [word for word in container["args"] if word.startswith(option)]
    return [container["image"], engine.removeprefix(option)]
