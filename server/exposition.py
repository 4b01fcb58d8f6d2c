"""Prometheus' text format, version 0.0.4: values in, text out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """One line: what follows the metric's name, its labels, its value."""

    suffix: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Metric:
    """A family of samples. `kind` is counter, gauge or histogram."""

    name: str
    kind: str
    text: str
    samples: tuple[Sample, ...]


def rendered(metrics: Iterable[Metric]) -> str:
    return "".join(
        f"# HELP {metric.name} {metric.text}\n# TYPE {metric.name} {metric.kind}\n"
        + "".join(
            f"{metric.name}{sample.suffix}{_labels(sample.labels)} {sample.value!r}\n" for sample in metric.samples
        )
        for metric in metrics
    )


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
