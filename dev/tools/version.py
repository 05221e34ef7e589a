"""The version stands in `operator/quiver/__init__.py`. This puts it wherever else it has to be."""

import re
from collections.abc import Iterator
from pathlib import Path

from quiver import __version__

ROOT = Path(__file__).resolve().parents[2]
CHART_FILE = ROOT / "charts" / "quiver" / "Chart.yaml"
OF_CHART = re.compile(r"(?m)^((?:version|appVersion): ).*$")
OF_IMAGES = re.compile(r"(quiver-(?:operator|engine)[a-z-]*[:-]|newTag: )\d+\.\d+\.\d+")


def with_version() -> dict[Path, str]:
    """Every file that tells the version, with the text that it should have."""
    chart = {CHART_FILE: OF_CHART.sub(rf"\g<1>{__version__}", CHART_FILE.read_text())}
    return chart | {
        path: OF_IMAGES.sub(rf"\g<1>{__version__}", path.read_text()) for path in _naming_images()
    }


def _naming_images() -> Iterator[Path]:
    yield ROOT / "charts" / "quiver" / "README.md"
    yield ROOT / "docs" / "install.md"
    for path in sorted((ROOT / "manifests" / "gitops").rglob("*.yaml")):
        if path.name != "install.yaml":
            yield path
