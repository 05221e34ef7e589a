"""Generate the protocol stubs from their .proto files, or check that they are current."""

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]
PROTOS = (
    (ROOT / "proto", "quiver_proto/milvus.proto"),
    (ROOT / "proto", "quiver_proto/milvus2.proto"),
    (ROOT / "dev", "localcluster/deviceplugin/v1beta1.proto"),
)
PLUGINS = ("mypy", "mypy_grpc")


@click.command(help=__doc__)
@click.option("--check", is_flag=True, help="Write nothing; end with 1 if a stub is stale.")
def main(check: bool) -> None:
    stale = [name for root, proto in PROTOS for name in generate(root, proto, check=check)]
    if check and stale:
        raise click.ClickException(f"not current, run `make proto`: {', '.join(stale)}")
    for name in stale:
        click.echo(f"wrote {name}")


def generate(root: Path, proto: str, *, check: bool) -> list[str]:
    """Return the stubs that were not current; they are now, unless `check`."""
    with tempfile.TemporaryDirectory() as folder:
        run_protoc(root, proto, Path(folder))
        fresh = {f.relative_to(folder): f.read_bytes() for f in Path(folder).rglob("*.py*")}
    targets = {root / name: content for name, content in fresh.items()}
    stale = {t: c for t, c in targets.items() if not t.exists() or t.read_bytes() != c}
    if not check:
        for target, content in stale.items():
            target.write_bytes(content)
    return [str(target.relative_to(ROOT)) for target in stale]


def run_protoc(root: Path, proto: str, output: Path) -> None:
    scripts = sysconfig.get_path("scripts")
    plugins = [f"--plugin=protoc-gen-{name}={scripts}/protoc-gen-{name}" for name in PLUGINS]
    outputs = [f"--{name}_out={output}" for name in ("python", "grpc_python")]
    outputs += [f"--{name}_out=quiet:{output}" for name in PLUGINS]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{root}", *plugins, *outputs, proto]
    subprocess.run(command, cwd=root, check=True)


if __name__ == "__main__":
    main()
