"""The configuration of one environment: parsed once, every fault reported together."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.naming import Naming
from stacks.checks import CHECKS
from stacks.client_config import Client
from stacks.document import read_document
from stacks.endpoint_config import Endpoint
from stacks.fields import Name, Reason, Section
from stacks.forms import quantity, text
from stacks.network_config import Network, Perimeter
from stacks.release_config import ReleaseSettings
from stacks.tracking_config import DAYS, Data, Tracking
from stacks.validation import validated

Pack = Literal["AwsSolutions", "NIST80053R5", "HIPAA", "PCIDSS321", "Serverless"]

Priced = Annotated[
    str,
    text(
        r"[a-z0-9]+(?:[.-][a-z0-9]+)*",
        allowed="the name of an instance type, or of what docs/diff.md lists",
        fix="Write it as AWS does, such as 'ml.m5.large'.",
    ),
]
Price = Annotated[
    int,
    quantity(
        {"USD/h": 730_000_000.0, "USD/month": 1_000_000.0},
        minimum="0.0001 USD/h",
        maximum="1000 USD/h",
    ),
]


class Api(Section):
    """The one private API in front of every endpoint."""

    authorization: Literal["iam", "api_key"] = Field(
        "iam", description="'iam' asks for a signed request and a key, 'api_key' for the key alone."
    )
    rate: Annotated[
        int, quantity({"requests/s": 1.0}, minimum="1 requests/s", maximum="10000 requests/s")
    ] = 50
    burst: Annotated[
        int, quantity({"requests": 1.0}, minimum="1 requests", maximum="5000 requests")
    ] = 100


class Environment(Section):
    """One environment of the platform, as `environments/<name>.yaml` describes it.

    Its name is the file's.
    """

    name: Annotated[Name, Field(exclude=True)]
    platform: Name = "private-mlops"
    account: Annotated[
        str,
        text(r"\d{12}", allowed="an AWS account id", fix="Write its 12 digits in quotes."),
    ]
    region: Annotated[
        str,
        text(
            r"[a-z]{2}(?:-[a-z]+)+-\d",
            allowed="an AWS region",
            fix="Write it as AWS does, such as 'ap-northeast-1'.",
        ),
    ]
    log_retention: Annotated[int, quantity(DAYS, minimum="1 days", maximum="1827 days")] = 365
    packs: Annotated[
        list[Pack], Field(description="The rule packs of cdk-nag that every synth asks.")
    ] = ["AwsSolutions"]
    images: Annotated[list[Name], Field(min_length=1)]
    network: Network
    perimeter: Perimeter = Perimeter()
    data: Data = Data()
    tracking: Tracking = Tracking()
    endpoints: dict[Name, Endpoint] = {}
    api: Api = Api()
    clients: dict[Name, Client] = {}
    release: ReleaseSettings | None = None
    prices: Annotated[
        dict[Priced, Price],
        Field(description="What an hour costs, by what is paid for, such as 'ml.m5.large'."),
    ] = {}
    opt_outs: Annotated[
        dict[str, Reason], Field(description="Why a safe default does not hold, by its key.")
    ] = {}

    @property
    def followed(self) -> dict[str, dict[str, str]]:
        """The model of each container that follows an alias, by container, by endpoint."""
        return {
            name: {
                container: part.model
                for container, part in self.endpoints[name].parts.items()
                if part.model and "@" in part.model
            }
            for name in (self.release.follow if self.release else [])
        }

    @property
    def served_images(self) -> list[str]:
        """The images of its own that endpoints serve with."""
        return self.images_of(self.endpoints)

    def images_of(self, endpoints: Iterable[str]) -> list[str]:
        """The images of its own that some endpoints serve with.

        Parameters
        ----------
        endpoints
            Names of the endpoints.
        """
        served = {part.image for it in endpoints for part in self.endpoints[it].parts.values()}
        return [image for image in self.images if image in served]

    @property
    def naming(self) -> Naming:
        """What the names of the environment start with."""
        return Naming(self.platform, self.name)


def json_schema() -> dict[str, Any]:
    """The JSON schema of an environment's file, for editors."""
    schema = Environment.model_json_schema()
    del schema["properties"]["name"]
    schema["required"].remove("name")
    for section in (schema, *schema["$defs"].values()):
        for field in section["properties"].values():
            # A quantity's default is a number here, but text with its unit in the file.
            if field.get("type") == "string" and not isinstance(field.get("default"), str):
                field.pop("default", None)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return schema


def load_environment(name: str, folder: Path) -> Environment:
    """Read and validate one environment.

    Parameters
    ----------
    name
        Name of the environment: the file is `<folder>/<name>.yaml`.
    folder
        Folder of the environments.

    Raises
    ------
    FaultsError
        With every fault of the file; or one that lists the environments there are.

    Examples
    --------
    >>> load_environment("local", Path("environments")).region
    'ap-northeast-1'
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = sorted(file.stem for file in folder.glob("*.yaml"))
        near = difflib.get_close_matches(name, known, n=1)
        fix = f"Did you mean '{near[0]}'?" if near else f"Choose one of them, or write {path}."
        raise_faults("env", [Fault("env", f"'{name}'", " or ".join(known), fix)])
    return validated(
        Environment,
        read_document(path).with_name(name),
        path,
        *CHECKS,
    )
