"""What the tests of both kinds of pipeline look up in a template."""

import json
from typing import Any

from aws_cdk.assertions import Template

PIPELINE, RULE = "AWS::CodePipeline::Pipeline", "AWS::Events::Rule"
BUCKET = "arn:aws:s3:::mlops-blue-releases-123456789012"


def stages(template: Template, name: str) -> dict[str, dict[str, Any]]:
    """The one action of each stage of a pipeline."""
    for pipeline in template.find_resources(PIPELINE).values():
        if pipeline["Properties"]["Name"] == name:
            return {it["Name"]: it["Actions"][0] for it in pipeline["Properties"]["Stages"]}
    raise AssertionError(name)


def rule(template: Template, says: str) -> dict[str, Any]:
    """The one rule whose description says something."""
    (found,) = [
        it["Properties"]
        for it in template.find_resources(RULE).values()
        if says in it["Properties"]["Description"]
    ]
    return dict(found)


def filled(template: str, **values: str) -> Any:
    """What EventBridge makes of an input template."""
    for name, value in values.items():
        template = template.replace(f"<{name}>", json.dumps(value))
    return json.loads(template)
