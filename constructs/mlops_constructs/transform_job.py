"""How a batch transform job reads, filters, joins and writes records, and what excludes what."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mlops_constructs.faults import Fault
from mlops_constructs.local_storage import has_local_storage
from mlops_constructs.prefixes import prefix_faults

Split = Literal["none", "line", "recordio", "tfrecord"]
Assemble = Literal["none", "line"]
Compression = Literal["none", "gzip"]
Strategy = Literal["", "single", "multi"]
Join = Literal["none", "input"]

# The words of SageMaker's API for ours.
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
API_WORDS = {
    "none": "None",
    "line": "Line",
    "recordio": "RecordIO",
    "tfrecord": "TFRecord",
    "gzip": "Gzip",
    "single": "SingleRecord",
    "multi": "MultiRecord",
    "input": "Input",
}

CSV = "text/csv"
PROCESSED_TYPES = (CSV, "application/json", "application/jsonlines")
"""The types of which SageMaker filters and joins records."""

PAYLOAD_MB = 100
"""Megabytes that the parallel requests of an instance may have together."""

FILTER_LETTERS = 63
VARIABLES = 16

# A row of CSV is an array: there is nothing but indexes to name.
_ROW_FILTER = re.compile(r"\$(\[(-?\d+|-?\d*:-?\d*)(,(-?\d+|-?\d*:-?\d*))*\])?")


@dataclass(frozen=True)
class TransformJob:
    """What a batch transform job is told.

    Parameters
    ----------
    input, output
        Prefixes of the artifact bucket, each with a slash at its end.
    content_type, accept
        MIME type of the records that are read, and of those that are written; the model's own
        where empty.
    split
        What separates the records of a file. A file is one request where nothing does.
    compression
        How the files are compressed.
    assemble
        What separates the records that are written.
    strategy
        Whether a request has one record or as many as fit; what the model says where empty.
    payload_mb
        Megabytes of a request; 0 streams, which AWS's own algorithms cannot.
    parallel
        Requests at once at each instance; what the model says where 0.
    input_filter, output_filter
        JSONPath of what the model is asked, and of what is written of the joined record.
    join
        Whether records are written with what was read.
    environment
        Variables of the container.
    instance, instances
        SageMaker instance type, and how many.
    hours
        Hours that the job may take.

    Examples
    --------
    >>> job = TransformJob("batch/in/", "batch/out/", content_type="text/csv", accept="text/csv",
    ...                    split="line", assemble="line", join="input", input_filter="$[1:]")
    >>> job.faults()
    []
    """

    input: str
    output: str
    content_type: str = ""
    accept: str = ""
    split: Split = "none"
    compression: Compression = "none"
    assemble: Assemble = "none"
    strategy: Strategy = ""
    payload_mb: int = 6
    parallel: int = 0
    input_filter: str = "$"
    output_filter: str = "$"
    join: Join = "none"
    environment: Mapping[str, str] = field(default_factory=dict)
    instance: str = "ml.m5.large"
    instances: int = 1
    hours: int = 24

    @property
    def processes(self) -> bool:
        """Whether SageMaker filters or joins records."""
        return self.join != "none" or {self.input_filter, self.output_filter} != {"$"}

    def request(
        self, *, name: Any, model: str, source: Any, target: Any, key: str
    ) -> dict[str, Any]:
        """The request that creates the job, in the words of SageMaker's API.

        Parameters
        ----------
        name
            The job's name, by its field: ``{"TransformJobName.$": ...}``.
        model
            Name of the model.
        source, target
            The addresses that are read and written, by their fields.
        key
            ARN of the key of the volumes and of what is written.
        """
        resources: dict[str, Any] = {
            "InstanceType": self.instance,
            "InstanceCount": self.instances,
        }
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TransformResources.html
        if not has_local_storage(self.instance):
            resources["VolumeKmsKeyId"] = key
        request: dict[str, Any] = {
            **name,
            "ModelName": model,
            "MaxPayloadInMB": self.payload_mb,
            "TransformInput": {
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", **source}},
                "SplitType": API_WORDS[self.split],
                "CompressionType": API_WORDS[self.compression],
                **({"ContentType": self.content_type} if self.content_type else {}),
            },
            "TransformOutput": {
                **target,
                "AssembleWith": API_WORDS[self.assemble],
                "KmsKeyId": key,
                **({"Accept": self.accept} if self.accept else {}),
            },
            "TransformResources": resources,
        }
        if self.parallel:
            request["MaxConcurrentTransforms"] = self.parallel
        if self.strategy:
            request["BatchStrategy"] = API_WORDS[self.strategy]
        if self.environment:
            request["Environment"] = dict(self.environment)
        if self.processes:
            request["DataProcessing"] = {
                "InputFilter": self.input_filter,
                "OutputFilter": self.output_filter,
                "JoinSource": API_WORDS[self.join],
            }
        return request

    def faults(self) -> list[Fault]:
        """Everything that SageMaker would refuse, or fail at hours later."""
        return [
            *prefix_faults("batch.input", self.input),
            *prefix_faults("batch.output", self.output),
            *self._place_faults(),
            *self._request_faults(),
            *self._processing_faults(),
            *self._size_faults(),
        ]

    def _place_faults(self) -> list[Fault]:
        if not self.output.startswith(self.input):
            return []
        return [
            Fault(
                "batch.output",
                f"'{self.output}', which is below the input",
                "a prefix outside of the input",
                "Write elsewhere: the next job would read what this one wrote.",
            )
        ]

    def _request_faults(self) -> list[Fault]:
        faults = []
        if self.strategy and self.split == "none":
            faults.append(
                Fault(
                    "batch.strategy",
                    f"'{self.strategy}', without a split",
                    "a strategy where split is line, recordio or tfrecord",
                    "Say in batch.split what separates records, or leave the strategy out.",
                )
            )
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
        together = max(self.parallel, 1) * self.payload_mb
        if self.payload_mb < 0 or self.parallel < 0 or together > PAYLOAD_MB:
            faults.append(
                Fault(
                    "batch.payload",
                    f"{self.payload_mb} MB, {self.parallel} at once",
                    f"0 to {PAYLOAD_MB} MB, for all requests at once together",
                    "Send less at once.",
                )
            )
        if len(self.environment) > VARIABLES:
            faults.append(
                Fault(
                    "batch.environment",
                    f"{len(self.environment)} variables",
                    f"at most {VARIABLES}",
                    "Keep what the model needs, and give the rest to the model itself.",
                )
            )
        return faults

    def _processing_faults(self) -> list[Fault]:
        """What filters and joins exclude.

        https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html
        """
        if not self.processes:
            return []
        faults = []
        types = {"content_type": self.content_type, "accept": self.accept}
        faults += [
            Fault(
                f"batch.{name}",
                f"'{given}', with a filter or a join",
                ", ".join(PROCESSED_TYPES),
                "Name the type of the records: SageMaker filters and joins no others.",
            )
            for name, given in types.items()
            if given not in PROCESSED_TYPES
        ]
        separated = {"split": self.split, "assemble": self.assemble}
        if CSV in types.values():
            faults += [
                Fault(
                    f"batch.{name}",
                    f"'{given}', with a filter or a join of {CSV}",
                    "line",
                    "Separate the records by lines: SageMaker takes each row of CSV by itself.",
                )
                for name, given in separated.items()
                if given != "line"
            ]
        filters = {
            "input_filter": (self.input_filter, self.content_type),
            "output_filter": (self.output_filter, self.accept),
        }
        for name, (given, kind) in filters.items():
            faults += _filter_faults(f"batch.{name}", given, kind)
        return faults

    def _size_faults(self) -> list[Fault]:
        faults = []
        if not self.instance.startswith("ml."):
            faults.append(
                Fault(
                    "batch.instance",
                    f"'{self.instance}'",
                    "a type that starts with 'ml.'",
                    "Add it.",
                )
            )
        if self.instances < 1:
            faults.append(Fault("batch.instances", str(self.instances), "1 or more", "Run one."))
        if self.hours < 1:
            faults.append(Fault("batch.hours", str(self.hours), "1 or more", "Give it time."))
        return faults


def _filter_faults(path: str, given: str, kind: str) -> list[Fault]:
    if not given.startswith("$") or len(given) > FILTER_LETTERS:
        return [
            Fault(
                path,
                f"'{given}'",
                f"a JSONPath of at most {FILTER_LETTERS} letters that starts with $",
                "Write it as $[1:] for rows, and as $.features for objects.",
            )
        ]
    if kind == CSV and not _ROW_FILTER.fullmatch(given):
        return [
            Fault(
                path,
                f"'{given}', for {CSV}",
                "indexes, such as $[0], $[1:] or $[0,5:]",
                "Count the columns: a row of CSV has no names.",
            )
        ]
    return []
