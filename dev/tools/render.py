"""Write the files that are made from crds/, charts/ and others: run it after a change."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from localcluster.binaries import Binaries
from machine.errors import SetupError
from tools import argocd
from tools.version import CHART_FILE, with_version

ROOT = Path(__file__).resolve().parents[2]
CRDS = ROOT / "crds"
CHART = ROOT / "charts" / "quiver"
CHART_CRDS = CHART / "templates" / "crds"
INSTALL = ROOT / "manifests" / "install.yaml"
GITOPS_INSTALL = ROOT / "manifests" / "gitops" / "infrastructure" / "quiver" / "install.yaml"
"""The same file once more: Kustomize reads none from above its folder."""
REFERENCE = ROOT / "docs" / "reference.md"
NAMESPACE = "quiver-system"

CHART_CRD_HEAD = """\
{{- /* Rendered from crds/ by dev/tools/render.py: edit it there. */ -}}
{{- if .Values.crds.enabled }}
"""
CHART_CRD_METADATA = """\
  {{- $policy := ternary (dict "helm.sh/resource-policy" "keep") (dict) .Values.crds.keep }}
  {{- include "quiver.metadata" (list . $policy) }}
"""
INSTALL_HEAD = """\
# Quiver in one file, for kubectl apply: rendered from charts/quiver by dev/tools/render.py.
# No registry has its images: build them and push them to a registry of yours, and name that below,
# as charts/quiver/README.md shows ("Without Helm").
"""
INSTALL_NAMESPACE = f"""\
---
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
"""
REFERENCE_HEAD = """\
<!-- Rendered from crds/ by dev/tools/render.py: edit it there. -->
# The API

Group `quiver.dev`, version `v1alpha1`. A cluster with Quiver in it tells the same:
`kubectl explain vcol.spec`, `kubectl explain veng.spec`.
"""

AS_IN_PODS = {"affinity", "topologySpreadConstraints"}
"""Fields that the reference does not take apart: Kubernetes documents what is in them."""
VALIDATIONS = "x-kubernetes-validations"

Schema = Mapping[str, Any]


class CannotRenderError(click.ClickException):
    """A source is not as expected, or a program that rendering needs is missing or failed."""


def chart_crd(source: str) -> str:
    """The chart's template for a CRD: the same text, switched and annotated by values."""
    text = source.replace("{{", '{{ "{{" }}')
    name = re.search(r"^metadata:\n  name: \S+\n", text, flags=re.MULTILINE)
    if name is None:
        raise CannotRenderError("a CRD must have metadata with its name in the first line")
    body = text[: name.end()] + CHART_CRD_METADATA + text[name.end() :]
    return CHART_CRD_HEAD + body.rstrip("\n") + "\n{{- end }}\n"


def chart_crds() -> dict[Path, str]:
    """All of the chart's CRD templates."""
    sources = sorted(CRDS.glob("*.yaml"))
    return {CHART_CRDS / source.name: chart_crd(source.read_text()) for source in sources}


def helm() -> Path:
    """The helm program, from PATH or as localcluster builds it."""
    try:
        return Binaries.ensure(lambda line: click.echo(line, err=True), ["helm"]).path("helm")
    except SetupError as error:
        raise CannotRenderError(f"rendering needs helm, and there is none: {error}") from error


def install_manifest(rendered_files: Mapping[Path, str]) -> str:
    """The chart with its default values, as one file that needs no Helm."""
    with tempfile.TemporaryDirectory() as folder:
        chart = Path(folder) / "quiver"
        shutil.copytree(CHART, chart, ignore=shutil.ignore_patterns("crds"))
        for path, text in rendered_files.items():
            copy = chart / path.relative_to(CHART)
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(text)
        return in_one_file(chart, INSTALL_HEAD)


def in_one_file(chart: Path, head: str, values: Sequence[str] = ()) -> str:
    """A chart, or its package, with its default values but for these: a file without Helm."""
    return head + INSTALL_NAMESPACE + without_traces_of_helm(helm_template(chart, values))


def helm_template(chart: Path, values: Sequence[str]) -> str:
    """What `helm template` prints."""
    command = [str(helm()), "template", "quiver", str(chart), "--namespace", NAMESPACE]
    # Only Helm needs to be told to keep them, and only Helm runs hooks.
    command += ["--set", "crds.keep=false", "--no-hooks"]
    command += [word for value in values for word in ("--set", value)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotRenderError(f"helm cannot render the chart: {done.stderr.strip()}")
    return str(done.stdout)


def without_traces_of_helm(text: str) -> str:
    """Leave out what is for Helm alone, and labels that would say that it manages the objects."""
    text = re.sub(r"(?m)^ *annotations:\n *helm\.sh/resource-policy: keep\n", "", text)
    return re.sub(r"(?m)^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", "", text)


def reference() -> str:
    """The page that documents every field of every kind."""
    crds = [yaml.safe_load(source.read_text()) for source in sorted(CRDS.glob("*.yaml"))]
    return "\n".join([REFERENCE_HEAD, *(kind_section(crd) for crd in crds)])


def kind_section(crd: Schema) -> str:
    """One kind: what it is, then a table each for spec and status."""
    names, schema = crd["spec"]["names"], crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    lines = [f"## {names['kind']}", "", f"Short name `{', '.join(names['shortNames'])}`.", ""]
    lines += [prose(schema["description"]), ""]
    for part in ("spec", "status"):
        lines += [f"### {names['kind']} {part}", "", *table(schema["properties"][part])]
    return "\n".join([*lines, *rules(schema)])


def table(schema: Schema) -> list[str]:
    """The fields below `schema`, one row each, and the rules that hold for and between them."""
    head = ["| field | type | default | meaning |", "|---|---|---|---|"]
    below = list(fields(schema))
    parts = [schema, *(part for _, field in below for part in (field, *contents(field)))]
    return [*head, *(row(path, field) for path, field in below), "", *rules(*parts)]


def rules(*schemas: Schema) -> list[str]:
    """The schemas' own rules, in the words in which the server refuses what breaks them."""
    found = [rule["message"] for part in schemas for rule in part.get(VALIDATIONS, [])]
    told = [f"- {prose(message)}." for message in dict.fromkeys(found)]
    return ["Rules:", "", *told, ""] if told else []


def contents(field: Schema) -> list[Schema]:
    """The schema of a list's items or a map's values."""
    return [field[key] for key in ("items", "additionalProperties") if key in field]


def fields(schema: Schema, prefix: str = "") -> Iterator[tuple[str, Schema]]:
    """Every field below `schema` with its dotted path, parents before their children."""
    for name, field in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield path, field
        if name in AS_IN_PODS:
            continue
        if field.get("type") == "array":
            yield from fields(field["items"], f"{path}[].")
        yield from fields(field, f"{path}.")


def row(path: str, field: Schema) -> str:
    """One row of the table."""
    default = field.get("default")
    shown = code(json.dumps(default).strip('"')) if isinstance(default, str | int) else ""
    meaning = " ".join(filter(None, [prose(field["description"]), *details(field)]))
    return f"| {code(path)} | {type_name(field)} | {shown} | {meaning} |"


def details(field: Schema) -> Iterator[str]:
    """What holds for the field's items, and which values it takes, as sentences."""
    for item in contents(field):
        if item.get("type") != "object":
            yield prose(item.get("description", ""))
    if "enum" in field:
        yield f"One of {', '.join(code(value) for value in field['enum'])}."
    if "pattern" in field and "x-kubernetes-int-or-string" not in field:
        yield f"Pattern {code(field['pattern'])}."


def type_name(field: Schema) -> str:
    """The field's type in a word or two."""
    if field.get("x-kubernetes-int-or-string"):
        return "quantity"
    if field["type"] == "array":
        return f"list of {type_name(field['items'])}s"
    if "additionalProperties" in field:
        kind = type_name(field["additionalProperties"])
        return f"map of {kind.removesuffix('y')}ies" if kind.endswith("y") else f"map of {kind}s"
    return str({"date-time": "time"}.get(field.get("format", ""), field["type"]))


def prose(text: str) -> str:
    """Text that Markdown takes literally, in a table too."""
    return re.sub(r"([\\`*_<>|])", r"\\\1", text)


def code(value: object) -> str:
    """A value as code, in a table too."""
    return f"`{value}`".replace("|", "\\|")


def rendered() -> dict[Path, str]:
    """Every rendered file with the text that it should have."""
    crds = chart_crds()
    versioned = with_version()
    install = install_manifest({**crds, CHART_FILE: versioned[CHART_FILE]})
    installs = {INSTALL: install, GITOPS_INSTALL: install}
    pages = {REFERENCE: reference(), argocd.PATCH: argocd.config_map_patch()}
    return {**crds, **versioned, **installs, **pages}


def stale(wanted: Mapping[Path, str]) -> list[Path]:
    """The files whose text is another one, and templates whose CRD is gone."""
    orphans = [path for path in sorted(CHART_CRDS.glob("*")) if path not in wanted]
    differing = [
        path for path, text in wanted.items() if not path.exists() or path.read_text() != text
    ]
    return differing + orphans


def write(path: Path, text: str | None) -> None:
    """Write the file, or take it away when it has no text to have."""
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail if a file is not up to date.")
def main(check: bool) -> None:
    """Render what is made from crds/, charts/, Argo CD's health checks and the version."""
    wanted = rendered()
    found = stale(wanted)
    for path in found:
        click.echo(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}")
        if not check:
            write(path, wanted.get(path))
    if check and found:
        sys.exit("Run: make render")


if __name__ == "__main__":
    main()
