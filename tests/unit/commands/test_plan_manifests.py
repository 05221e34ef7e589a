"""YAML as people write it, and as it must not be."""

import io
from pathlib import Path

import pytest

from quiver.commands.planning.manifests import BadManifest, Manifests, read_manifests

DOCS = """
apiVersion: quiver.dev/v1alpha1
kind: VectorCollection
metadata: {name: docs}
spec: {engineRef: {name: engine}, dimension: 8}
"""
LIST = f"apiVersion: v1\nkind: List\nitems:\n- {' '.join(DOCS.split(chr(10))).strip()}"


def read(text: str, namespace: str | None = "team") -> Manifests:
    return read_manifests(["-"], namespace, io.StringIO(text))


def test_a_folder_is_read_with_all_in_it(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    (below / "docs.yaml").write_text(f"# a comment\n---\n{DOCS}---\n")
    (tmp_path / "other.yml").write_text("{kind: Deployment, apiVersion: apps/v1}")
    (tmp_path / "notes.txt").write_text("not: [YAML")
    found = read_manifests([str(tmp_path)], "team", io.StringIO())
    [docs] = found.written.values()
    assert (str(docs.key), docs.source) == ("team/docs", f"{below / 'docs.yaml'}:4")
    assert found.ignored == {"Deployment": 1}


def test_a_list_is_unfolded() -> None:
    item = {"apiVersion": "quiver.dev/v1alpha1", "kind": "VectorEngine", "metadata": {"name": "e"}}
    found = read(f"kind: List\nitems: [{item}, {{kind: Secret}}]")
    assert [str(key) for _, key in found.written] == ["team/e"]
    assert found.ignored == {"Secret": 1}


ALIASES = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
HUGE = f"{DOCS}x:\n  a0: &a0 [x]\n{''.join(f'  {line}{chr(10)}' for line in ALIASES.splitlines())}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: VectorCollection\n  name: docs\n", "stdin:2: not YAML"),
        ("a: [", "not YAML"),
        ("a: !!python/object/apply:os.system [true]", "stdin:1: not YAML"),
        ("[" * 100_000, "not YAML"),
        ("hello", "stdin:1: no object of Kubernetes: it has no kind"),
        ("kind: List", "a List without items"),
        (DOCS.replace("v1alpha1", "v9"), "stdin:2: apiVersion is 'quiver.dev/v9'"),
        (DOCS.replace("name: docs", "generateName: docs"), "has no metadata.name"),
        (DOCS.replace("name: docs", r'name: "a\e[2J"'), "'a [2J' is not the name of an object"),
        (DOCS.replace("name: docs", "name: docs, namespace: .."), "'..' is not the name of a name"),
        (f"{DOCS}---{DOCS}", "stdin:7: VectorCollection team/docs is in stdin:2 too"),
        (HUGE, "larger than the API server takes"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(text: str, says: str) -> None:
    with pytest.raises(BadManifest, match=r"^stdin") as error:
        read(text)
    assert says in str(error.value)


def test_an_object_needs_a_namespace() -> None:
    with pytest.raises(BadManifest, match=r"stdin:2: no metadata\.namespace"):
        read(DOCS, None)


def test_a_folder_without_yaml_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadManifest, match="no file in it ends in"):
        read_manifests([str(tmp_path)], None, io.StringIO())
