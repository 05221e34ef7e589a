"""What the images of a release are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FILE = "images.txt"
OPERATOR = "/quiver-operator:"


@dataclass(frozen=True)
class Names:
    """The images by version, and by digest if a registry has them: operator, engine, others."""

    references: Sequence[str]

    @classmethod
    def read(cls, folder: Path) -> Names:
        """Those of a release that is there."""
        return cls((folder / FILE).read_text().split())

    def write(self, folder: Path) -> None:
        """Write them as a file of the release, one a line."""
        (folder / FILE).write_text("".join(f"{reference}\n" for reference in self.references))

    @property
    def registry(self) -> str:
        """Where they are."""
        return self.references[0].partition(OPERATOR)[0]

    @property
    def values(self) -> list[str]:
        """The values of the chart that name them by digest; none without digests."""
        operator, engine, *_ = self.references
        tag, _, digest = operator.rpartition("/")[2].partition(":")[2].partition("@")
        if not digest:
            return []
        return [f"image.tag={tag}", f"image.digest={digest}", f"engineImage={engine}"]
