"""The configuration of a batch."""

from typing import Annotated, Literal

from mlops_constructs.transform_job import Assemble, Compression, Join, Split, TransformJob
from stacks.endpoint_forms import FOLDERS, ContentType, Filter
from stacks.fields import Section
from stacks.forms import quantity, text, whole_number


class BatchSettings(Section):
    """What a state machine has the model asked about, where nobody asks it at once."""

    input: Annotated[
        str,
        text(
            FOLDERS,
            allowed="folders of the artifact bucket",
            fix="Write it such as 'batch/abalone/in/'.",
        ),
    ]
    output: Annotated[
        str,
        text(
            f"batch/{FOLDERS}",
            allowed="folders below 'batch/' of the artifact bucket",
            fix="Write it such as 'batch/abalone/out/'.",
        ),
    ]
    content_type: ContentType | None = None
    accept: ContentType | None = None
    split: Split = "none"
    assemble: Assemble = "none"
    compression: Compression = "none"
    strategy: Literal["single", "multi"] | None = None
    payload: Annotated[int, quantity({"MB": 1.0}, minimum="0 MB", maximum="100 MB")] = 6
    parallel: Annotated[int, whole_number(0, 100)] = 0
    join: Join = "none"
    input_filter: Filter = "$"
    output_filter: Filter = "$"
    instances: Annotated[int, whole_number(1, 100)] = 1
    timeout: Annotated[int, quantity({"h": 1.0}, minimum="1 h", maximum="120 h")] = 24

    def job(self, instance: str) -> TransformJob:
        """The same for the construct.

        Parameters
        ----------
        instance
            SageMaker instance type.
        """
        return TransformJob(
            self.input,
            self.output,
            content_type=self.content_type or "",
            accept=self.accept or "",
            split=self.split,
            compression=self.compression,
            assemble=self.assemble,
            strategy=self.strategy or "",
            payload_mb=self.payload,
            parallel=self.parallel,
            input_filter=self.input_filter,
            output_filter=self.output_filter,
            join=self.join,
            instance=instance,
            instances=self.instances,
            hours=self.timeout,
        )
