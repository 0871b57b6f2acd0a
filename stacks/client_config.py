"""The configuration of client networks, and of the way to MLflow that they take."""

from typing import Annotated, Literal

from pydantic import Field

from stacks.fields import Name, Section
from stacks.forms import resource_id, text


class EndpointService(Section):
    """The way to MLflow from other VPCs, by PrivateLink: none without allowed principals."""

    allowed_principals: Annotated[
        list[
            Annotated[
                str,
                text(
                    r"arn:aws[a-z-]*:iam::\d{12}:(?:root|(?:role|user)/[\w+=,.@/-]+)",
                    allowed="the ARN of an account, a role or a user, without wildcards",
                    fix="Write 'arn:aws:iam::<account>:root', or '...:role/<name>'.",
                ),
            ]
        ],
        Field(description="Who may ask for an endpoint; each request is accepted by hand."),
    ] = []
    private_dns: Annotated[
        str,
        text(
            r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}",
            allowed="a name of two labels or more, in lower case",
            fix="Write a name of the clients' own private zone, such as 'mlflow.mlops.internal'.",
        ),
    ] = ""


class Client(Section):
    """An existing VPC, such as a Databricks workspace's, from which the platform is used."""

    vpc: Annotated[str, resource_id("vpc")]
    subnets: Annotated[
        list[Annotated[str, resource_id("subnet")]],
        Field(min_length=1, max_length=6),
    ]
    security_groups: Annotated[
        list[Annotated[str, resource_id("sg")]],
        Field(min_length=1, max_length=5),
    ]
    services: list[Literal["ecr.api", "ecr.dkr", "s3", "sagemaker.api", "sagemaker.runtime"]] = [
        "sagemaker.api",
        "sagemaker.runtime",
    ]
    images: Annotated[
        list[Name], Field(description="The images that it pushes, and that its models use.")
    ] = []
    account: Annotated[
        str,
        text(r"\d{12}", allowed="an AWS account id", fix="Write its 12 digits in quotes."),
    ] = ""
    endpoint_service: Annotated[
        str,
        text(
            r"com\.amazonaws\.vpce\.[a-z0-9-]+\.vpce-svc-[0-9a-f]{8,17}",
            allowed="the name of the tracking server's endpoint service",
            fix="Copy the output EndpointServiceName of the Tracking stack.",
        ),
    ] = ""
