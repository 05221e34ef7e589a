"""Damages files of an engine as a disk does, and tells what the engine makes of it."""

import json
import re
from pathlib import Path

from machine.engine_process import EngineProcess
from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1


def flip_bit(path: Path, position: int) -> None:
    """Flip a bit in place, so that a running engine's map of the file has it, too."""
    with path.open("r+b") as file:
        file.seek(position, 2 if position < 0 else 0)
        (byte,) = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))


def segment_of(data_dir: Path, client: Milvus1, name: str, tag: str) -> Path:
    """Return the file of the only segment of a partition."""
    asked = pb.CollectionName(collection_name=name)
    partitions = json.loads(client.stub.ShowCollectionInfo(asked).json_info)["partitions"]
    (segment,) = next(p["segments"] for p in partitions if p["tag"] == tag)
    return data_dir / "segments" / f"{segment['name']}.seg"


def index_files(data_dir: Path) -> list[Path]:
    return sorted((data_dir / "segments").glob("*.idx"))


def states(engine: EngineProcess, name: str) -> dict[str, int]:
    """Return how many segment files of a collection are in which state."""
    sample = rf'^quiver_engine_segments{{collection="{name}",state="(\w+)"}} (\S+)$'
    found = re.findall(sample, engine.get("/metrics")[1], re.MULTILINE)
    return {state: int(float(value)) for state, value in found}
