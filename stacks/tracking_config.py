"""The configuration of the tracking server, of its database, and of the backups."""

from typing import Annotated, Literal

from pydantic import Field

from stacks.access_config import Access
from stacks.client_config import EndpointService
from stacks.fields import Name, Section
from stacks.forms import quantity, text, whole_number

MEMORY = {"GiB": 1024.0, "MiB": 1.0}
STORAGE = {"GiB": 1.0, "TiB": 1024.0}
DAYS = {"days": 1.0, "weeks": 7.0}


class Database(Section):
    """RDS for MySQL 8.4, MLflow's metadata."""

    instance: Annotated[
        str,
        text(
            r"db\.[a-z0-9]+\.[a-z0-9]+",
            allowed="an RDS instance class",
            fix="Write it with its 'db.', such as 'db.t4g.medium'.",
        ),
    ] = "db.t4g.medium"
    storage: Annotated[int, quantity(STORAGE, minimum="20 GiB", maximum="64 TiB")] = 20
    multi_az: bool = True
    backup_retention: Annotated[int, quantity(DAYS, minimum="1 days", maximum="35 days")] = 35
    rotation: Annotated[int, quantity(DAYS, minimum="1 days", maximum="365 days")] = 30


class Backup(Section):
    """Backups of the database in a vault of their own."""

    retention: Annotated[int, quantity(DAYS, minimum="1 days", maximum="36500 days")] = 35
    copy_to: Annotated[
        str,
        text(
            r"arn:aws[a-z-]*:backup:[a-z0-9-]+:\d{12}:backup-vault:[\w-]{2,50}",
            allowed="the ARN of a backup vault that is there",
            fix="Copy it whole, such as 'arn:aws:backup:eu-west-1:111111111111:backup-vault:x'.",
        ),
    ] = ""


class Data(Section):
    """What keeps state: keys, buckets, repositories, the database."""

    removal: Literal["retain", "destroy"] = "retain"
    deletion_protection: bool = True
    database: Database = Database()
    backup: Backup = Backup()
    capture_retention: Annotated[
        int,
        quantity(DAYS, minimum="1 days", maximum="3650 days"),
        Field(description="How long what is captured of endpoints is kept."),
    ] = 30
    async_retention: Annotated[
        int,
        quantity(DAYS, minimum="1 days", maximum="3650 days"),
        Field(description="How long requests and answers of asynchronous endpoints are kept."),
    ] = 30


class TlsListener(Section):
    """The certificate that MLflow's clients are shown, and its name."""

    certificate: Annotated[
        str,
        text(
            r"arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[\w-]+",
            allowed="the ARN of a certificate in ACM",
            fix="Copy it whole, such as 'arn:aws:acm:eu-west-1:111111111111:certificate/...'.",
        ),
    ]
    name: Annotated[
        str,
        text(
            r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}",
            allowed="a name of two labels or more, in lower case",
            fix="Write a name that the certificate is for, such as 'mlflow.bank.internal'.",
        ),
    ]


class Tracking(Section):
    """MLflow: a server on Fargate, or AWS's managed App."""

    kind: Annotated[
        Literal["fargate", "sagemaker_app"],
        Field(description="'sagemaker_app' has AWS run MLflow, and keep its metadata."),
    ] = "fargate"
    maintenance: Annotated[
        str,
        text(
            r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun):(?:[01]\d|2[0-3]):[0-5]\d",
            allowed="a day of the week and a time in UTC",
            fix="Write it such as 'Tue:03:30'.",
        ),
        Field(description="When AWS may upgrade the App. All other keys are Fargate's."),
    ] = ""
    image: Name = "mlflow"
    cpu: Annotated[int, quantity({"vCPU": 1024.0}, minimum="0.25 vCPU", maximum="4 vCPU")] = 1024
    memory: Annotated[int, quantity(MEMORY, minimum="512 MiB", maximum="30 GiB")] = 2048
    tasks: Annotated[int, whole_number(1, 10)] = 2
    max_tasks: Annotated[int, whole_number(1, 40)] = 2
    workers: Annotated[int, whole_number(1, 8)] = 2
    connections: Annotated[int, whole_number(18, 1000)] = 72
    files: Literal["proxied", "direct"] = Field(
        "proxied", description="'direct' has clients use S3 themselves, with rights of their own."
    )
    tls: Annotated[
        TlsListener | None, Field(description="The load balancer passes TCP on without it.")
    ] = None
    access: Access = Access()
    endpoint_service: EndpointService = EndpointService()
