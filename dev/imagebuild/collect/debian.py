"""The Debian packages that an image's shared libraries are of, as its files say it.

Scanners look for them in `var/lib/dpkg/status.d`, where images without dpkg have them. The
licences of most of these packages ask for their text to be handed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

STATUS_FOLDER = "/var/lib/dpkg/status.d"
RELEASE = ("/etc/os-release", "/etc/debian_version")
KEPT_FIELDS = ("Package", "Status", "Architecture", "Source", "Version", "Maintainer", "Homepage")


@dataclass(frozen=True)
class DebianPackage:
    """An installed package: its entry in dpkg's status, its list of files, its licences."""

    name: str
    entry: str
    listing: Path
    copyright: Path

    def status(self) -> str:
        """The entry, as far as it tells what the package is."""
        lines = self.entry.splitlines()
        kept = [line for line in lines if line.partition(":")[0] in KEPT_FIELDS]
        return "\n".join(kept) + "\n"


def owners(files: Iterable[Path], root: Path = Path("/")) -> list[DebianPackage]:
    """The packages that `files` are of; none where there is no dpkg."""
    status = root / "var/lib/dpkg/status"
    if not status.exists():
        return []
    wanted = {name for file in files for name in _names(file)}
    entries = {_identity(entry): entry for entry in status.read_text().split("\n\n") if entry}
    lists = sorted((root / "var/lib/dpkg/info").glob("*.list"))
    return [
        _package(entries[path.stem], path, root)
        for path in lists
        if path.stem in entries and wanted.intersection(path.read_text().splitlines())
    ]


def _package(entry: str, listing: Path, root: Path) -> DebianPackage:
    name = listing.stem.partition(":")[0]
    return DebianPackage(name, entry, listing, root / f"usr/share/doc/{name}/copyright")


def _names(file: Path) -> set[str]:
    """How dpkg may know a file: /lib is a link to /usr/lib, and packages name either."""
    names = {str(file), str(file.resolve())}
    return names | {name.removeprefix("/usr") for name in names} | {f"/usr{name}" for name in names}


def _identity(entry: str) -> str:
    """The name of the package's list: with its architecture, where several can be installed."""
    fields = dict(re.findall(r"^([\w-]+): (.*)$", entry, flags=re.MULTILINE))
    if fields.get("Multi-Arch") == "same":
        return f"{fields['Package']}:{fields['Architecture']}"
    return str(fields["Package"])
