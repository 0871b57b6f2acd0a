"""The forms of what endpoints are told: images, models, times, places."""

from typing import Annotated

from pydantic import Field

from stacks.forms import text

PERCENT = {"%": 1.0}
TIME = {"min": 60.0, "s": 1.0}
LATENCY = {"ms": 1.0, "s": 1000.0}
WAIT = {**LATENCY, "min": 60_000.0}
MEMORY = {"GiB": 1024.0, "MiB": 1.0}
RATE = {"/min": 1.0}

Image = Annotated[
    str,
    text(
        r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*|aws:[a-z][a-z-]*:[\w.-]+",
        allowed="one of images, or 'aws:<framework>:<version>'",
        fix="Write it such as 'iris', or 'aws:xgboost:1.7-1'.",
    ),
]
Model = Annotated[
    str,
    text(
        r"models:/[A-Za-z0-9][\w.-]*(?:@[A-Za-z][\w-]*|/\d+)"
        r"|s3://[a-z0-9.-]+/(?:[^/\s]+/)+|s3://[a-z0-9.-]+/(?:[^/\s]+/)*[^/\s]+\.tar\.gz",
        allowed="a registered model with an alias or a version, an S3 prefix, or a .tar.gz there",
        fix="Write 'models:/<name>@<alias>', 'models:/<name>/<version>', 's3://<bucket>/<prefix>/'"
        " or 's3://<bucket>/<key>.tar.gz'.",
    ),
]
InstanceType = Annotated[
    str,
    text(
        r"ml\.[a-z0-9-]+\.[a-z0-9]+",
        allowed="a SageMaker instance type",
        fix="Write it with its 'ml.', such as 'ml.m5.large'.",
    ),
]
Variable = Annotated[
    str,
    text(
        r"[a-zA-Z_][a-zA-Z0-9_]*",
        allowed="letters, digits and underscores, and no digit first",
        fix="Rename it.",
    ),
]
Value = Annotated[
    str,
    text(
        r"[\s\S]{0,1024}",
        allowed="text of at most 1024 characters",
        fix="Write numbers and booleans in quotes; put what is longer into the model's files.",
    ),
]


AlarmArn = Annotated[
    str,
    text(
        r"arn:aws[a-z-]*:cloudwatch:[a-z0-9-]+:\d{12}:alarm:.{1,255}",
        allowed="the ARN of an alarm",
        fix="Copy it whole, such as 'arn:aws:cloudwatch:eu-west-1:111111111111:alarm:orders'.",
    ),
]

ContentType = Annotated[
    str,
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CaptureContentTypeHeader.html
    text(
        r"[a-zA-Z0-9](?:-*[a-zA-Z0-9])*/[a-zA-Z0-9](?:-*[a-zA-Z0-9.])*",
        allowed="a content type",
        fix="Write it such as 'text/csv'.",
    ),
]
ContentTypes = Annotated[
    list[ContentType],
    Field(max_length=10, description="What is kept as text; all else is in base64."),
]
Offset = Annotated[
    str,
    text(
        r"-P(?:T\d+H|\d+D)",
        allowed="hours or days before, such as -PT6H or -P1D",
        fix="Write it so.",
    ),
]
FOLDERS = r"(?:[\w!.'()-]+/)+"
Filter = Annotated[
    str,
    text(
        r"\$[^\n]{0,62}",
        allowed="a JSONPath of at most 63 letters that starts with $",
        fix="Write it such as '$[1:]' for rows, and '$.features' for objects.",
    ),
]
