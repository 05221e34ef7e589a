"""`quiver size`, as somebody meets it who has never chosen an indexFileSize."""

import json
import os
import subprocess
import sys

import pytest
import yaml
from click import ClickException
from click.testing import CliRunner

from quiver.cli import main
from quiver.commands.size import _check
from quiver.domain.sizing import Workload

ASKED = ("size", "--rows", "10M", "--dimension", "768", "--index", "HNSW")


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_each_figure_comes_with_its_reason() -> None:
    lines = run(*ASKED, "--inserts", "20k/day").splitlines()
    assert lines[0].split() == ["WHAT", "TAKE", "WHY"]
    assert [line.split()[0] for line in lines[1:]] == [
        "indexFileSize",
        "index",
        "segments",
        "memory",
        "disk",
        "pods",
    ]
    assert "2048" in lines[1]
    assert "0.20% of the rows are new each day" in lines[1]


def test_a_pipe_gets_plain_lines() -> None:
    """One for each figure, however narrow the terminal was, and no colours."""
    command = [sys.executable, "-m", "quiver", *ASKED]
    environment = os.environ | {"COLUMNS": "20"}
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert len(found.stdout.splitlines()) == 7
    assert "\x1b" not in found.stdout


def test_yaml_is_the_part_of_a_spec() -> None:
    assert yaml.safe_load(run(*ASKED, "--inserts=0/day", "-o", "yaml")) == {
        "spec": {
            "dimension": 768,
            "metricType": "L2",
            "indexFileSize": 2048,
            "index": {"type": "HNSW", "params": {"M": 16, "efConstruction": 200}},
        }
    }


def test_json_has_the_figures_in_bytes() -> None:
    assert json.loads(run(*ASKED, "-o", "json"))["memory"] == 10**7 * (4 * 768 + 8 + 4 * 34)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "ten"], "'ten' is not a number of rows such as 2500000, 2.5M or 1e9"),
        (["--rows", "0"], "'0' is not a number of rows"),
        (["--inserts", "20"], "'20' is not a rate such as 0/day, 20k/day, 5/min or 50/s"),
        (["--gpu-memory", "much"], "'much' is not a quantity such as 500m, 2 or 40Gi"),
        (["--gpu-memory", "0"], "'0' is no memory; write it as in 24Gi"),
        (["--dimension", "0"], "0 is not in the range 1<=x<=32768"),
        (["--metric", "HAMMING"], "engines of type Quiver have no HNSW for HAMMING"),
        (["--metric", "COSINE"], "engines of type Quiver do not take COSINE: these take L2, IP"),
        (["--type", "Milvus", "--index", "GPU_CAGRA"], "say with --gpu-memory how much one has"),
        (["--index", "IVF_SQ8H"], "an index of type IVF_SQ8H is on GPUs"),
        (["--type", "Milvus", "--index", "RNSG"], "engines of type Milvus have no RNSG for L2"),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, [*ASKED, *arguments])
    assert result.exit_code in (1, 2)
    assert message in result.output


def test_bits_come_in_whole_bytes() -> None:
    result = CliRunner().invoke(main, ["size", "--rows=1", "--dimension=100", "--metric=HAMMING"])
    assert result.exit_code == 1
    assert "--dimension must be a multiple of 8 for HAMMING" in result.output


def test_of_an_index_whose_size_nobody_knows_none_is_told() -> None:
    """A collection that exists may have one, though no option names it."""
    workload = Workload(rows=1, dimension=8, index="DISKANN", engine_type="Milvus")
    with pytest.raises(ClickException, match="DISKANN gets is not known: name another with"):
        _check(workload)
