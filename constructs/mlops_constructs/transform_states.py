"""The states of a batch transform: where to read and write, the job, and why it failed.

https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html
"""

from collections.abc import Mapping
from typing import Any

from mlops_constructs.transform_job import TransformJob

JOB_NAME_LETTERS = 63
"""Letters of a job's name: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html"""

PREFIX_LETTERS = JOB_NAME_LETTERS - len("-") - 32
"""Letters that are left before the hash of an execution."""

PLACES = ("input", "output")
"""What an execution may say of itself: prefixes below those of the configuration."""

ATTEMPTS = 5
"""Times that a request is sent again."""

State = dict[str, Any]


def definition(
    job: TransformJob, *, name: str, model: str, bucket: str, key: str, tags: Mapping[str, str]
) -> dict[str, Any]:
    """The state machine that runs a job.

    Whoever starts it may give ``{"input": ..., "output": ...}``: prefixes below the declared
    ones, or a single file to read. A job that fails ends the execution with SageMaker's reason.

    Parameters
    ----------
    job
        What the job is told.
    name
        What names of jobs start with.
    model
        Name of the model.
    bucket
        Name of the bucket.
    key
        ARN of the key.
    tags
        Tags of the job.

    Examples
    --------
    >>> machine = definition(
    ...     TransformJob("in/", "out/"), name="iris", model="iris-1", bucket="b", key="k", tags={})
    >>> list(machine["States"])[:4]
    ['Declared', 'Places', 'Check', 'Transform']
    """
    return {
        "Comment": f"Batch transform of {job.input} to {job.output}",
        "StartAt": "Declared",
        "States": {
            "Declared": {
                "Type": "Pass",
                "Result": {"input": job.input, "output": job.output},
                "ResultPath": "$.declared",
                "Next": "Places",
            },
            "Places": {
                "Type": "Pass",
                "Parameters": {"places.$": "States.JsonMerge($.declared, $, false)"},
                "OutputPath": "$.places",
                "Next": "Check",
            },
            "Check": {
                "Type": "Choice",
                "Choices": [
                    {
                        "And": [
                            {
                                "Variable": f"$.{place}",
                                "StringMatches": f"{getattr(job, place)}*",
                            }
                            for place in PLACES
                        ],
                        "Next": "Transform",
                    }
                ],
                "Default": "Elsewhere",
            },
            "Transform": _transform(job, name, model, bucket, key, tags),
            **_failures(job),
        },
    }


def _transform(
    job: TransformJob, name: str, model: str, bucket: str, key: str, tags: Mapping[str, str]
) -> State:
    # An execution has one job, and the same name when it is asked again: a second request then is
    # refused, rather than run beside the first. Names of executions have letters that those of
    # jobs have not, and more of them.
    named = f"States.Format('{name}-{{}}', States.Hash($$.Execution.Id, 'MD5'))"
    address = f"States.Format('s3://{bucket}/{{}}', $.{{place}})"
    source, target = (address.replace("{place}", place) for place in PLACES)
    request = job.request(
        name={"TransformJobName.$": named},
        model=model,
        source={"S3Uri.$": source},
        target={"S3OutputPath.$": target},
        key=key,
    )
    request["Tags"] = [
        *({"Key": tag, "Value": value} for tag, value in tags.items()),
        {"Key": "execution", "Value.$": "$$.Execution.Id"},
    ]
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::sagemaker:createTransformJob.sync",
        "Parameters": request,
        "TimeoutSeconds": job.hours * 3600,
        "ResultSelector": {
            "job.$": "$.TransformJobName",
            "output.$": "$.TransformOutput.S3OutputPath",
        },
        # Too many requests, or too many instances in use: both pass. A job that failed does not.
        # A request that is wrong has the name of one that is too many, and fails minutes later.
        "Retry": [
            _retry(5, "SageMaker.AmazonSageMakerException", "ThrottlingException"),
            _retry(60, "SageMaker.ResourceLimitExceededException"),
        ],
        "Catch": [
            {"ErrorEquals": ["States.Timeout"], "Next": "TookTooLong"},
            {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Judge"},
        ],
        "End": True,
    }


def _retry(seconds: int, *errors: str) -> dict[str, Any]:
    return {
        "ErrorEquals": list(errors),
        "IntervalSeconds": seconds,
        "MaxAttempts": ATTEMPTS,
        "BackoffRate": 2,
        "JitterStrategy": "FULL",
    }


def _failures(job: TransformJob) -> dict[str, State]:
    """What is said of what failed: the cause of a job that failed is all that is known of it."""
    reason = "States.Format('{}: {}', $.job.TransformJobName, $.job.FailureReason)"
    return {
        "Judge": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.error.Cause", "StringMatches": "{*", "Next": "Read"}],
            "Default": "Refused",
        },
        "Read": {
            "Type": "Pass",
            "Parameters": {
                "job.$": "States.StringToJson($.error.Cause)",
                "error.$": "$.error",
            },
            "Next": "Reason",
        },
        "Reason": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.job.FailureReason", "IsPresent": True, "Next": "JobFailed"}
            ],
            "Default": "Refused",
        },
        "JobFailed": {"Type": "Fail", "Error": "JobFailed", "CausePath": reason},
        "Refused": {"Type": "Fail", "ErrorPath": "$.error.Error", "CausePath": "$.error.Cause"},
        "TookTooLong": {
            "Type": "Fail",
            "Error": "TookTooLong",
            "Cause": f"The job took more than {job.hours} hours, and was stopped. Raise hours, or"
            " give it more instances.",
        },
        "Elsewhere": {
            "Type": "Fail",
            "Error": "Elsewhere",
            "Cause": f"The input has to start with {job.input}, and the output with {job.output}."
            " Give others, or none.",
        },
    }
