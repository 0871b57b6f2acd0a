"""Batch transform's work on text: what goes into a request, and what comes of its answer.

https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html and
https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from local.extensions.json_service import RefusedError, invalid
from local.extensions.sagemaker.json_path import JsonPath

MEGABYTE = 1024 * 1024
PAYLOAD_MEGABYTES = 6
"""How large a request is at most, where the job does not say."""


class Processing:
    """How a job cuts its input, filters it, and joins it to the output.

    Parameters
    ----------
    job
        As ``CreateTransformJob`` takes it.

    Raises
    ------
    RefusedError
        Where its settings do not go together, or do not run here.
    """

    def __init__(self, job: Mapping[str, Any]) -> None:
        given, output = job["TransformInput"], job["TransformOutput"]
        data = job.get("DataProcessing", {})
        self.lines = _one_of(given, "SplitType", ("None", "Line")) == "Line"
        self.single = job.get("BatchStrategy", "MultiRecord") == "SingleRecord"
        self.kind = given.get("ContentType", "").partition(";")[0].strip()
        self.limit = int(job.get("MaxPayloadInMB", PAYLOAD_MEGABYTES)) * MEGABYTE
        self.input_filter = JsonPath(data.get("InputFilter", "$"))
        self.output_filter = JsonPath(data.get("OutputFilter", "$"))
        self.join = data.get("JoinSource", "None") == "Input"
        self.assemble = _one_of(output, "AssembleWith", ("None", "Line")) == "Line"
        works = self.join or not (self.input_filter.everything and self.output_filter.everything)
        if works and self.kind not in ("text/csv", "application/json", "application/jsonlines"):
            raise invalid(
                f"Filters and joins are for text/csv, application/json and application/jsonlines,"
                f" not for '{self.kind}'."
            )
        if self.join and self.lines and not self.assemble:
            raise invalid("JoinSource of records that are split by line needs AssembleWith Line.")

    def requests(self, content: bytes) -> Iterator[Sequence[bytes]]:
        """The records of each request of a file; a file that is not split is one record."""
        if not self.lines:
            if self.limit and len(content) > self.limit:
                raise RefusedError(
                    "ClientError", f"The file has {len(content)} bytes, and {self.limit} may go."
                )
            yield [content]
            return
        batch: list[bytes] = []
        size = 0
        for line in content.splitlines():
            if not line.strip():
                continue
            if batch and (self.single or (self.limit and size + len(line) + 1 > self.limit)):
                yield batch
                batch, size = [], 0
            batch.append(line)
            size += len(line) + 1
        if batch:
            yield batch

    def body(self, records: Sequence[bytes]) -> bytes:
        """What the model is given for records: of each, what the filter lets through."""
        if self.input_filter.everything:
            return b"\n".join(records)
        return b"\n".join(
            self._written(self.input_filter.apply(value)).encode()
            for value in self._read(b"\n".join(records))
        )

    def result(self, records: Sequence[bytes], answer: bytes) -> bytes:
        """What is written of an answer to records.

        Raises
        ------
        RefusedError
            Where they are to be joined, and are not equally many.
        """
        if self.output_filter.everything and not self.join:
            return answer.rstrip(b"\n") + b"\n" if self.assemble else answer
        outputs = self._read(answer)
        if self.join:
            inputs = self._read(b"\n".join(records))
            if len(inputs) != len(outputs):
                raise RefusedError(
                    "ClientError",
                    f"The model answered {len(inputs)} records with {len(outputs)}: they cannot be"
                    " joined.",
                )
            outputs = [self._joined(*pair) for pair in zip(inputs, outputs, strict=True)]
        text = "\n".join(self._written(self.output_filter.apply(value)) for value in outputs)
        return (f"{text}\n" if self.assemble else text).encode()

    def _joined(self, given: Any, answer: Any) -> Any:
        if self.kind == "text/csv":
            return [*given, *answer]
        if isinstance(given, dict):
            return {**given, "SageMakerOutput": answer}
        return {"SageMakerInput": given, "SageMakerOutput": answer}

    def _read(self, content: bytes) -> list[Any]:
        """The records of a text."""
        if self.kind == "text/csv":
            return [row for row in csv.reader(io.StringIO(content.decode())) if row]
        if self.lines:
            return [json.loads(line) for line in content.splitlines() if line.strip()]
        return [json.loads(content)]

    def _written(self, value: Any) -> str:
        if self.kind != "text/csv":
            return json.dumps(value)
        row = value if isinstance(value, list) else [value]
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(row)
        return text.getvalue()


def _one_of(settings: Mapping[str, Any], name: str, known: Sequence[str]) -> str:
    value = str(settings.get(name, "None"))
    if value not in known:
        raise invalid(f"{name} {value} does not run on this machine: {', '.join(known)} do.")
    return value
