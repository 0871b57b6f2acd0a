"""What CloudFormation has deployed, as a folder of templates."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlops_constructs.faults import Fault, raise_faults

Client = Callable[[str], Any]
"""Makes a client of CloudFormation for a region."""


def fetch(assembly: Path, folder: Path, client: Client | None = None) -> list[str]:
    """Write the deployed template of each stack of an assembly under the assembly's file name.

    A stack that is not deployed has no file: all of it is new. What is deployed and no longer in
    the assembly is not seen, as `cdk deploy` does not touch it either.

    Parameters
    ----------
    assembly
        The cloud assembly, which says which stacks there are and where.
    folder
        Where the templates are written.
    client
        Makes a client of CloudFormation for a region; boto3's if not given.

    Returns
    -------
    list of str
        Names of the stacks that are deployed.

    Raises
    ------
    FaultsError
        Where the folder is no assembly.
    botocore.exceptions.ClientError
        Where CloudFormation refuses to answer.
    """
    manifest = assembly / "manifest.json"
    if not manifest.is_file():
        fault = Fault("assembly", str(assembly), "a cloud assembly", "Run synth first.")
        raise_faults("the deployed templates", [fault])
    artifacts = json.loads(manifest.read_text(encoding="utf-8"))["artifacts"]
    found = []
    for name, artifact in sorted(artifacts.items()):
        if artifact["type"] != "aws:cloudformation:stack":
            continue
        region = artifact["environment"].rpartition("/")[2]
        stack = artifact["properties"].get("stackName", name)
        template = _template((client or _client)(region), stack)
        if template is not None:
            file = Path(artifact["properties"]["templateFile"]).name
            # A template in JSON comes as data, one in YAML as text.
            if not isinstance(template, str):
                template = json.dumps(template)
            elif not template.lstrip().startswith("{"):
                file = f"{file.removesuffix('.template.json')}.yaml"
            (folder / file).write_text(template, encoding="utf-8")
            found.append(stack)
    return found


def _client(region: str) -> Any:
    import boto3

    return boto3.client("cloudformation", region_name=region)


def _template(client: Any, stack: str) -> Any:
    from botocore.exceptions import ClientError

    try:
        # As it was written, before macros.
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_GetTemplate.html
        return client.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
