from typing import Any

import pytest

from mlops_constructs.transform_job import TransformJob


def paths(**changes: Any) -> list[str]:
    given = {"input": "batch/in/", "output": "batch/out/", **changes}
    return [fault.path for fault in TransformJob(**given).faults()]


def request(**changes: Any) -> dict[str, Any]:
    given = {"input": "batch/in/", "output": "batch/out/", **changes}
    return TransformJob(**given).request(
        name={"TransformJobName": "job"},
        model="model",
        source={"S3Uri": "s3://b/in/"},
        target={"S3OutputPath": "s3://b/out/"},
        key="arn:aws:kms:eu-west-1:1:key/k",
    )


JOINED = {
    "content_type": "text/csv",
    "accept": "text/csv",
    "split": "line",
    "assemble": "line",
    "join": "input",
}


class TestDefault:
    def test_has_no_fault(self) -> None:
        assert paths() == []

    def test_filters_and_joins_nothing(self) -> None:
        made = request()
        assert "DataProcessing" not in made
        assert "MaxConcurrentTransforms" not in made
        assert made["TransformInput"]["SplitType"] == "None"

    def test_volumes_and_output_are_encrypted_with_our_key(self) -> None:
        made = request()
        key = "arn:aws:kms:eu-west-1:1:key/k"
        assert made["TransformResources"]["VolumeKmsKeyId"] == key
        assert made["TransformOutput"]["KmsKeyId"] == key


class TestCustom:
    def test_joins_rows_with_what_was_read(self) -> None:
        made = request(**JOINED, input_filter="$[1:]", output_filter="$[0,-1]", strategy="multi")
        assert made["DataProcessing"] == {
            "InputFilter": "$[1:]",
            "OutputFilter": "$[0,-1]",
            "JoinSource": "Input",
        }
        assert made["BatchStrategy"] == "MultiRecord"
        assert made["TransformOutput"]["AssembleWith"] == "Line"
        assert made["TransformOutput"]["Accept"] == "text/csv"

    def test_hardware_encrypts_the_volumes_of_some_types(self) -> None:
        assert "VolumeKmsKeyId" not in request(instance="ml.g5.xlarge")["TransformResources"]

    @pytest.mark.parametrize("given", ["$", "$[0]", "$[1:]", "$[:-2]", "$[0,5:]", "$[1,3,5]"])
    def test_a_row_is_filtered_by_indexes(self, given: str) -> None:
        assert paths(**JOINED, input_filter=given) == []

    def test_an_object_is_filtered_by_names(self) -> None:
        objects = dict.fromkeys(("content_type", "accept"), "application/jsonlines")
        names = "$['id','SageMakerOutput']"
        assert paths(**objects, input_filter="$.features", join="input", output_filter=names) == []


class TestBadInput:
    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"input": "in"}, ["batch.input"]),
            ({"output": "batch/in/out/"}, ["batch.output"]),
            ({"output": "batch/in/"}, ["batch.output"]),
            ({"strategy": "single"}, ["batch.strategy"]),
            ({"payload_mb": 101}, ["batch.payload"]),
            ({"payload_mb": 30, "parallel": 4}, ["batch.payload"]),
            ({"environment": {f"V{n}": "1" for n in range(17)}}, ["batch.environment"]),
            ({"join": "input"}, ["batch.content_type", "batch.accept"]),
            ({"input_filter": "$.a"}, ["batch.content_type", "batch.accept"]),
            ({**JOINED, "split": "none"}, ["batch.split"]),
            ({**JOINED, "assemble": "none"}, ["batch.assemble"]),
            ({**JOINED, "split": "recordio"}, ["batch.split"]),
            ({**JOINED, "input_filter": "$.a"}, ["batch.input_filter"]),
            ({**JOINED, "output_filter": "[0]"}, ["batch.output_filter"]),
            ({**JOINED, "input_filter": f"$[{'1,' * 31}1]"}, ["batch.input_filter"]),
            ({"instance": "m5.large", "instances": 0}, ["batch.instance", "batch.instances"]),
            ({"hours": 0}, ["batch.hours"]),
        ],
    )
    def test_is_a_fault(self, changes: dict[str, Any], expected: list[str]) -> None:
        assert paths(**changes) == expected
