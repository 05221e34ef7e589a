"""Engines and operators under measurement."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from machine.engine_process import EngineProcess
from machine.lifetime import die_with_parent
from machine.operator_process import OPERATOR, OperatorProcess
from machine.processes import MIB


class Engine(EngineProcess):
    """An engine process on free ports; `start_s` is from its start until it says it serves."""

    def __init__(self, directory: Path, name: str = "engine", *options: str) -> None:
        program = ("-m", "quiver", "engine")
        super().__init__(directory / name, program=program, preexec_fn=die_with_parent)
        begun = time.perf_counter()
        self.start(*options)
        self.start_s = time.perf_counter() - begun

    @property
    def address(self) -> str:
        return self.grpc_address


class Operator(OperatorProcess):
    """An operator process."""

    def __init__(
        self, program: Sequence[str], options: Sequence[str], kubeconfig: Path, log: Path
    ) -> None:
        """`program` is what Python is given, before the options."""
        self.started_at = time.monotonic()
        super().__init__(
            kubeconfig,
            log,
            *options,
            program=program,
            environment={"POD_NAMESPACE": "default"},
            preexec_fn=die_with_parent,
        )
        self.start()

    @classmethod
    def quiver(cls, kubeconfig: Path, log: Path, *options: str) -> "Operator":
        return cls(OPERATOR, ("--allow-engine-cidr", "127.0.0.0/8", *options), kubeconfig, log)

    @property
    def peak_rss_mib(self) -> float:
        return self.status_bytes("VmHWM") / MIB

    async def samples(self) -> dict[str, float]:
        """Return all metrics that Quiver's operator serves, by name and labels as in the text."""
        _, text = await asyncio.to_thread(self.get, "/metrics")
        return samples_in(text)


def samples_in(text: str) -> dict[str, float]:
    """Return the values of a Prometheus text, by `name{label="value",…}` with sorted labels."""
    return {
        sample.name
        + "{"
        + ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items()))
        + "}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
