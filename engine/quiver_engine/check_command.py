"""`quiver engine check`."""

import os
import time
from pathlib import Path

import click

from quiver_engine.errors import DiskFailedError, RequestError, StartError
from quiver_engine.files import inspection, layout, lock
from quiver_engine.files.inspection import Finding, Inspection, Verdict
from quiver_engine.model import MIB
from quiver_engine.store.starting import start_and_stop
from quiver_engine.system import log

PROGRESS_S = 5.0
EXIT_CODES = {
    Verdict.SOUND: 0,
    Verdict.UNUSED: 0,
    Verdict.MENDABLE: 3,
    Verdict.DAMAGED: 4,
    Verdict.FATAL: 5,
}


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="Directory that holds the collections of an engine that is stopped.",
)
@click.option(
    "--repair",
    is_flag=True,
    help="After the check do what a start of the engine does: drop damaged indexes, so that they"
    " are built anew, move the rows of the log into segments, keep copies of damaged log files,"
    " remove what a crash left behind. Then check again. Without it no file is changed.",
)
def check(*, data_dir: Path, repair: bool) -> None:
    r"""Check the files of an engine that is stopped.

    The engine is a server that keeps vectors (lists of numbers that stand for texts, pictures and
    the like) in files. Each file has a checksum. This command reads all of them from the disk and
    says of each, one a line:

    \b
    sound     it is as it was written
    unused    the engine does not need it
    mendable  damaged; the engine makes it anew at its next start, and nothing is lost
    damaged   rows in it are lost unless it is restored; a start serves all others
    fatal     the engine does not start with it

    The exit code is that of the worst line:

    \b
    0  all is sound, or unused
    1  it could not be checked, for instance because an engine is running
    2  a wrong option
    3  mendable
    4  damaged
    5  fatal

    Progress goes to stderr every five seconds. An engine that runs looks for damage by itself.

    Example: quiver engine check --data-dir ./vectors
    """
    log.set_up("text")
    findings = _look(data_dir)
    if repair and _repair(data_dir):
        click.echo("after the repair:")
        findings = _look(data_dir)
    raise SystemExit(EXIT_CODES[inspection.worst(findings)])


def _look(data_dir: Path) -> list[Finding]:
    progress = _Progress()
    looking = Inspection(data_dir, progress.read)
    if not looking.is_data_directory:
        raise click.ClickException(f"{data_dir} is not the data directory of an engine")
    findings = []
    try:
        layout.check(data_dir, os.R_OK)
        with lock.held(data_dir / "LOCK"):
            progress.begin(looking.total_bytes)
            for finding in looking.findings():
                findings.append(finding)
                name = finding.path.relative_to(data_dir)
                click.echo(f"{finding.verdict.value:<9} {name}: {finding.what}")
    except (StartError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{len(findings)} files: {inspection.summary(findings)}")
    return findings


def _repair(data_dir: Path) -> bool:
    try:
        start_and_stop(data_dir)
    except (StartError, RequestError, DiskFailedError, OSError) as error:
        click.echo(f"Error: nothing is repaired: {error}", err=True)
        return False
    return True


class _Progress:
    def __init__(self) -> None:
        self._total = self._done = 0
        self._next_line = 0.0

    def begin(self, total: int) -> None:
        self._total = total
        self._next_line = time.monotonic() + PROGRESS_S

    def read(self, count: int) -> None:
        self._done += count
        if time.monotonic() >= self._next_line:
            self._next_line += PROGRESS_S
            done, total = self._done / MIB, self._total / MIB
            click.echo(f"{done:.0f} of {total:.0f} MiB are checked", err=True)
