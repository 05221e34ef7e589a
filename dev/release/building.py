"""Building everything that a release consists of, into one folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from imagebuild import sbom
from imagebuild.images import Image, build_labels, chart_registry
from imagebuild.making import Options, make_images
from machine.progress import Say
from quiver import __version__
from release import sums
from release.changelog import UNRELEASED, Section, section
from release.checkout import Checkout
from release.names import Names
from release.packages import chart_package, wheel_and_sdist
from tools.render import CRDS, INSTALL_HEAD, in_one_file

NOTES = "RELEASE_NOTES.md"
HEAD = f"""\
# Quiver {__version__} in one file, for kubectl apply --server-side. Its images are in {{registry}}.
"""


@dataclass(frozen=True)
class Plan:
    """What is built, besides what always is."""

    options: Options
    with_images: bool = True
    gpu: bool = False
    names: Names | None = None
    """What the images are called, if that is known before they are built."""

    @classmethod
    def like(cls, release: Path, options: Options) -> Plan:
        """The plan by which a release was built that is there: without a push."""
        names = Names.read(release)
        registry = "" if names.registry == chart_registry() else names.registry
        archives = list(release.glob("quiver-*.tar"))
        again = replace(options, registry=registry, push=False)
        gpu = any(reference.partition("@")[0].endswith("-gpu") for reference in names.references)
        return cls(again, bool(archives), gpu, names)

    @property
    def images(self) -> Sequence[Image]:
        """Operator and engine; and with `gpu` the engine for GPUs as well."""
        engines_for_gpus = self.options.images(gpu=True)[1:] if self.gpu else []
        return [*self.options.images(gpu=False), *engines_for_gpus]


@contextmanager
def appearing_whole(target: Path) -> Iterator[Path]:
    """A new folder, which takes the place of `target` when all is in it, and not before."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as work:
        folder, before = Path(work) / "new", Path(work) / "before"
        folder.mkdir()
        yield folder
        if target.exists():
            target.rename(before)
        folder.rename(target)


def build(plan: Plan, checkout: Checkout, into: Path, say: Say) -> None:
    """Build a release into an empty folder. Raises SetupError."""
    epoch, told = checkout.epoch, _section(checkout)
    say("release: wheel and source distribution")
    sbom.of_wheel(wheel_and_sdist(into, epoch))
    names = _make_images(plan, epoch, into, say)
    names.write(into)
    say("release: chart, install.yaml, CRDs")
    chart = chart_package(into, names, told, epoch)
    head = INSTALL_HEAD if names.registry == chart_registry() else HEAD
    manifest = in_one_file(chart, head.format(registry=names.registry), names.values)
    (into / "install.yaml").write_text(manifest)
    crds = [path.read_text() for path in sorted(CRDS.glob("*.yaml"))]
    (into / "crds.yaml").write_text("---\n".join(crds))
    (into / NOTES).write_text(told.notes(_title(told), _address_of_files()))
    sums.write(into)


def _make_images(plan: Plan, epoch: int, into: Path, say: Say) -> Names:
    options = replace(plan.options, epoch=epoch)
    names = Names([image.reference for image in plan.images])
    if plan.with_images:
        made = make_images(plan.images, options, into, say)
        names = Names([each.reference for each in made])
    return plan.names or names


def _section(checkout: Checkout) -> Section:
    """What has changed; of a rehearsal, what would have."""
    text = checkout.changelog
    return section(text, __version__) or section(text, UNRELEASED) or Section(UNRELEASED, "", "")


def _title(told: Section) -> str:
    return f"Quiver {__version__} ({told.date or 'a rehearsal, not released'})"


def _address_of_files() -> str:
    source = build_labels().get("org.opencontainers.image.source", "")
    return f"{source}/blob/v{__version__}" if source else ""
