"""What can build the Containerfile on this machine, and how each is told to."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imagebuild import buildah
from machine.errors import BuildError
from machine.progress import Say

ON_PATH = ("docker", "podman", "buildah")
PATIENCE_S = 20


@dataclass(frozen=True)
class Builder:
    """A program that builds images: its name, and the words that it is run with."""

    name: str
    command: Sequence[str]
    policy: Sequence[str] = ()
    """Options of those commands that read or write a registry or an archive."""
    quiet: bool = False
    """Whether its output is shown only if it fails."""
    is_new: bool = False
    """Whether it has built nothing before, so that its cache has nothing older."""

    def build(self, arguments: Sequence[str], folder: Path) -> None:
        """Build an image with these arguments of `build`. Raises BuildError."""
        layers = [] if self.name == "docker" else ["--layers", *self.policy]
        self._run(["build", *layers, *arguments, "."], folder)

    def save(self, reference: str, archive: Path) -> None:
        """Write an image as `docker save` does; the file appears when it is complete."""
        unfinished = archive.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        target = f"docker-archive:{unfinished}:{reference}"
        self._run(
            {
                "docker": ["save", "--output", str(unfinished), reference],
                "podman": ["save", "--output", str(unfinished), reference],
                "buildah": ["push", "--quiet", *self.policy, reference, target],
            }[self.name]
        )
        unfinished.rename(archive)

    def load(self, archive: Path) -> None:
        """Take in an image from its archive."""
        self._run(
            ["pull", "--quiet", *self.policy, f"oci-archive:{archive}"]
            if self.name == "buildah"
            else ["load", "--quiet", "--input", str(archive)]
        )

    def push(self, reference: str) -> str:
        """Push an image to the registry that its name begins with; its digest there.

        Raises BuildError.
        """
        if self.name == "docker":
            self._run(["push", reference])
            return self._digest_by_docker(reference)
        with tempfile.TemporaryDirectory() as folder:
            told = Path(folder) / "digest"
            self._run(["push", *self.policy, "--digestfile", str(told), reference])
            return told.read_text().strip()

    def with_times(self, epoch: int) -> list[str]:
        """Options of `build` that give image and files this time instead of the present one.

        Layers in a cache keep the time that they were built at.
        """
        cache = [] if self.is_new else ["--no-cache"]
        if self.name == "docker":
            return [*cache, "--build-arg", f"SOURCE_DATE_EPOCH={epoch}"]
        return [*cache, "--timestamp", str(epoch)]

    def _digest_by_docker(self, reference: str) -> str:
        command = ["image", "inspect", "--format", "{{json .RepoDigests}}", reference]
        done = subprocess.run(
            [*self.command, *command], capture_output=True, text=True, check=False
        )
        repository = reference.rpartition(":")[0]
        found = re.search(rf'"{re.escape(repository)}@(sha256:[0-9a-f]{{64}})"', done.stdout)
        if found is None:
            raise BuildError(
                f"docker does not say which digest {reference} has now that it is pushed: "
                f"{(done.stderr or done.stdout).strip()[-300:]}"
            )
        return found[1]

    def _run(self, arguments: Sequence[str], folder: Path | None = None) -> None:
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=folder,
            stdout=subprocess.PIPE if self.quiet else None,
            stderr=subprocess.STDOUT if self.quiet else None,
            text=True,
            check=False,
        )
        if done.returncode:
            reason = f": {done.stdout[-2000:]}" if self.quiet else "; the reason stands above"
            raise BuildError(f"{self.name} {arguments[0]} failed{reason}")


def find_builder(wanted: str, say: Say, own_store: Path | None = None) -> Builder | None:
    """The builder that is `wanted`, else the first that works here; what is passed over, is said.

    `own_store` is an empty folder for the images of Debian's buildah, in place of the cache's.
    Raises BuildError when the one that is wanted does not work.
    """
    for name in [wanted] if wanted else ON_PATH:
        why_not = _trouble(name)
        if not why_not:
            say(f"builder: {name}")
            return Builder(name, [name])
        say(f"builder: not {name}: {why_not}")
    if wanted == "buildah":
        return debians_buildah(say, own_store=own_store)
    if wanted:
        raise BuildError(f"{wanted} does not work here: {why_not}")
    return None


def debians_buildah(say: Say, *, quiet: bool = False, own_store: Path | None = None) -> Builder:
    """Debian's buildah, in the cache. Raises BuildError where it cannot run."""
    command = buildah.buildah_command(say, own_store)
    builder = Builder("buildah", command, buildah.policy(), quiet, own_store is not None)
    say("builder: Debian's buildah, unpacked into the cache")
    return builder


def _trouble(name: str) -> str:
    """Why a builder does not work; empty if it does."""
    if shutil.which(name) is None:
        return "it is not installed"
    with tempfile.TemporaryFile("w+") as output:
        try:
            done = subprocess.run(
                [name, "info"], stdout=output, stderr=output, timeout=PATIENCE_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        output.seek(0)
        lines = output.read().split("\n")
    return next((line for line in reversed(lines) if line.strip()), "") if done.returncode else ""
