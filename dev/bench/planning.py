"""How long `quiver plan` takes for many objects, and how much memory: `python -m bench.planning`.

Plans objects that are all new; then, once an operator has created them, the same again, one of
a changed field each, and the prune of all.
"""

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import yaml

from bench.cluster import collection, each, is_ready, until
from bench.scale.bench import Bench, prepared
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Manifest

ENGINES = 4
READY_S = 3600
LABEL = {"bench": "plan"}


def planned(bench: Bench, file: Path, *options: str) -> str:
    """Plan as a process of its own; return what it took."""
    where = (f"--kubeconfig={bench.plane.kubeconfig}", "--allow-engine-cidr=127.0.0.0/8")
    command = [sys.executable, "-m", "quiver", "plan", "-f", str(file), *where, *options]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *command], capture_output=True, text=True, check=False
    )
    took, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    said = [line for line in done.stdout.splitlines() if line.startswith("Plan:")]
    peak = done.stderr.strip().splitlines()[-1]
    return f"{took:5.1f} s, {cpu:5.1f} s of CPU, {peak} MiB, exit {done.returncode}: {said}"


_MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, file=sys.stderr)
sys.exit(code)
"""


def say(what: str, found: str) -> None:
    click.echo(f"{what:10} {found}")


def objects(count: int) -> list[Manifest]:
    found = [collection(f"docs-{number:05d}") for number in range(count)]
    for manifest in found:
        manifest["metadata"]["labels"] = LABEL
    return found


async def measure(count: int, directory: Path) -> None:
    async with prepared(directory, ENGINES, click.echo) as bench:
        wanted, file = objects(count), directory / "objects.yaml"
        file.write_text(yaml.dump_all(wanted, Dumper=yaml.CSafeDumper))
        with bench.quiver("operator") as operator:
            await bench.engine_is_ready()
            say("new", await asyncio.to_thread(planned, bench, file))
            by_name = {manifest["metadata"]["name"]: manifest for manifest in wanted}

            async def create(name: str) -> None:
                await bench.api.apply(VECTOR_COLLECTION, by_name[name])

            await each(list(by_name), create)

            async def ready() -> bool:
                found = await bench.api.list(VECTOR_COLLECTION, keep=_ready_only)
                return sum(map(is_ready, found.items)) >= count

            await until(ready, READY_S)
            operator.kill()
        say("unchanged", await asyncio.to_thread(planned, bench, file))
        for manifest in wanted:
            manifest["spec"]["partitions"] = ["a"]
        file.write_text(yaml.dump_all(wanted, Dumper=yaml.CSafeDumper))
        say("changed", await asyncio.to_thread(planned, bench, file))
        file.write_text("")
        prune = ("--prune", "-l", "bench=plan")
        say("pruned", await asyncio.to_thread(planned, bench, file, *prune))


def _ready_only(manifest: Manifest) -> Manifest:
    return {"status": {"conditions": manifest.get("status", {}).get("conditions", [])}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(measure(count, Path(directory)))


if __name__ == "__main__":
    main()
