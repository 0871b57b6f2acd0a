import json
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template
from ruamel.yaml import YAML

from mlops_constructs.naming import Naming
from mlops_constructs.platform_pipeline import PlatformPipeline
from mlops_constructs.release_builds import BUILDSPEC
from mlops_constructs.release_rights import PREPARED, PROPOSAL, TAKEN
from tests.conftest import ROOT
from tests.unit.constructs.conftest import ACCOUNT, Bench, listed
from tests.unit.constructs.pipelines import BUCKET, PIPELINE, RULE, filled, rule, stages

NAME = "mlops-blue-platform"
Statements = Callable[[Template], list[dict[str, Any]]]


def platform(bench: Bench, **changes: Any) -> PlatformPipeline:
    arguments: dict[str, Any] = {
        "naming": bench.naming,
        "builds": bench.builds(),
        "store": bench.releases(),
        "key": bench.key,
        "topic": bench.alarms().topic,
        "undelivered": bench.undelivered(),
    }
    return PlatformPipeline(bench.stack, "Platform", **{**arguments, **changes})


def variables(action: dict[str, Any]) -> dict[str, str]:
    """What the build of an action is told."""
    told = json.loads(action["Configuration"]["EnvironmentVariables"])
    return {it["name"]: it["value"] for it in told}


def buildspec() -> dict[str, Any]:
    """What every build runs."""
    return dict(YAML(typ="safe").load((ROOT / BUILDSPEC).read_text()))


def of_its_role(template: Template) -> list[dict[str, Any]]:
    """What the pipeline's own role may do."""
    (policy,) = [
        it["Properties"]
        for it in template.find_resources("AWS::IAM::ManagedPolicy").values()
        if "PlatformPipelineRole" in str(it["Properties"]["Roles"])
    ]
    return list(policy["PolicyDocument"]["Statement"])


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        platform(bench)
        return bench.template()

    def test_the_newest_proposal_overtakes_and_none_is_started_by_an_update(
        self, template: Template
    ) -> None:
        template.has_resource_properties(
            PIPELINE,
            {
                "Name": NAME,
                "PipelineType": "V2",
                "ExecutionMode": "SUPERSEDED",
                "RestartExecutionOnUpdate": False,
                "ArtifactStore": Match.object_like(
                    {"EncryptionKey": {"Id": Match.any_value(), "Type": "KMS"}}
                ),
            },
        )

    def test_nothing_runs_before_something_is_proposed(self, template: Template) -> None:
        """A pipeline whose variables all have a default is started as soon as it is made."""
        (pipeline,) = template.find_resources(PIPELINE).values()
        (variable,) = pipeline["Properties"]["Variables"]
        assert variable["Name"] == "PROPOSAL"
        assert "DefaultValue" not in variable

    def test_its_stages_and_the_rights_that_each_has(self, template: Template) -> None:
        projects = {
            name: action["Configuration"].get("ProjectName")
            for name, action in stages(template, NAME).items()
        }
        assert projects == {
            "Source": None,
            "Prepare": "mlops-blue-releases-inspect",
            "Approve": None,
            "Deploy": "mlops-blue-releases-deploy",
        }

    def test_it_takes_what_is_proposed_when_it_is_told_to(self, template: Template) -> None:
        source = stages(template, NAME)["Source"]
        assert source["Namespace"] == "Source"
        assert source["Configuration"]["S3ObjectKey"] == "source/proposed.zip"
        assert source["Configuration"]["PollForSourceChanges"] == "false"

    def test_each_step_is_told_which_proposal_it_works_on(self, template: Template) -> None:
        found = stages(template, NAME)
        for stage, step in (("Prepare", "platform-prepare"), ("Deploy", "platform-deploy")):
            told = variables(found[stage])
            assert told["RELEASE_STEP"] == step
            assert told["RELEASE_PROPOSAL"] == "#{Source.VersionId}"
            assert told["RELEASE_EXECUTION"] == "#{codepipeline.PipelineExecutionId}"

    def test_both_steps_run_what_is_proposed_and_nothing_that_the_first_one_made(
        self, template: Template
    ) -> None:
        found = stages(template, NAME)
        assert found["Source"]["OutputArtifacts"] == [{"Name": "Proposed"}]
        assert not found["Prepare"]["OutputArtifacts"]
        for stage in ("Prepare", "Deploy"):
            assert found[stage]["InputArtifacts"] == [{"Name": "Proposed"}]
            assert "BuildspecOverride" not in found[stage]["Configuration"]

    def test_what_was_looked_at_is_what_is_deployed(self, template: Template) -> None:
        """By a digest that the execution's own first step exports: no other one writes it."""
        found = stages(template, NAME)
        (exported,) = {*buildspec()["env"]["exported-variables"]} - {"HEADLINE"}
        digest = f"#{{{found['Prepare']['Namespace']}.{exported}}}"
        assert variables(found["Deploy"])["RELEASE_DIGEST"] == digest
        assert "RELEASE_DIGEST" not in variables(found["Prepare"])

    def test_a_person_is_told_what_changes(self, template: Template) -> None:
        found = stages(template, NAME)
        assert found["Approve"]["ActionTypeId"]["Category"] == "Approval"
        assert found["Approve"]["Configuration"]["CustomData"] == "#{Prepare.HEADLINE}"
        assert found["Approve"]["Configuration"]["NotificationArn"]
        assert found["Prepare"]["Namespace"] == "Prepare"

    def test_a_proposal_starts_it_with_the_version_that_was_written(
        self, template: Template
    ) -> None:
        found = rule(template, "was proposed")
        pattern, (target,) = found["EventPattern"], found["Targets"]
        assert pattern["source"] == ["aws.s3"]
        assert pattern["detail"]["object"] == {"key": ["source/proposed.zip"]}
        assert str(target["Arn"]).endswith(f":{NAME}")
        given = target["InputTransformer"]
        assert given["InputPathsMap"] == {"version": "$.detail.object.version-id"}
        assert filled(given["InputTemplate"], version="v-1") == {
            "variables": [{"name": "PROPOSAL", "value": "v-1"}],
            "sourceRevisions": [
                {
                    "actionName": stages(template, NAME)["Source"]["Name"],
                    "revisionType": "S3_OBJECT_VERSION_ID",
                    "revisionValue": "v-1",
                }
            ],
        }

    def test_an_end_that_no_step_wrote_down_is_written_down(self, template: Template) -> None:
        found = rule(template, "failed")
        assert found["EventPattern"]["detail"] == {
            "pipeline": [NAME],
            "state": ["FAILED", "CANCELED", "STOPPED", "SUPERSEDED"],
        }
        (target,) = found["Targets"]
        assert "BuildsClose" in str(target["Arn"])
        given = target["InputTransformer"]
        assert given["InputPathsMap"] == {"execution": "$.detail.execution-id"}
        told = filled(given["InputTemplate"], execution="e-1")["environmentVariablesOverride"]
        assert {it["name"]: it["value"] for it in told} == {
            "RELEASE_STEP": "platform-close",
            "RELEASE_EXECUTION": "e-1",
        }

    def test_no_event_is_lost_without_a_word(self, template: Template) -> None:
        rules = template.find_resources(RULE)
        assert len(rules) == 2
        for each in rules.values():
            (target,) = each["Properties"]["Targets"]
            assert target["DeadLetterConfig"]["Arn"]
            assert target["RetryPolicy"]["MaximumRetryAttempts"] == 20

    def test_codepipeline_takes_its_role_for_it_alone(self, template: Template) -> None:
        (role,) = [
            it["Properties"]
            for it in template.find_resources("AWS::IAM::Role").values()
            if it["Properties"].get("Path") == "/mlops/blue/pipelines/"
        ]
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "codepipeline.amazonaws.com"}
        assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
        assert str(trust["Condition"]["ArnLike"]["aws:SourceArn"]).endswith(f":{NAME}")

    def test_its_role_reaches_no_artifact_of_a_release_and_no_app(self, template: Template) -> None:
        objects = {
            resource
            for statement in of_its_role(template)
            for resource in listed(statement["Resource"])
            if f"{BUCKET}/" in resource
        }
        assert objects == {
            f"{BUCKET}/source/proposed.zip",
            f"{BUCKET}/{NAME}/Proposed/*",
        }

    def test_eventbridge_starts_it_and_what_ends_it(
        self, template: Template, statements: Statements
    ) -> None:
        (started,) = [
            s for s in statements(template) if s["Action"] == "codepipeline:StartPipelineExecution"
        ]
        assert started["Resource"] == f"arn:aws:codepipeline:eu-west-1:123456789012:{NAME}"


class TestCustom:
    def test_nobody_has_to_approve(self, bench: Bench) -> None:
        platform(bench, approve=False)
        assert list(stages(bench.template(), NAME)) == ["Source", "Prepare", "Deploy"]


@pytest.mark.parametrize("letters", range(8, 39))
def test_its_artifacts_are_told_from_those_of_releases_however_long_the_names(
    letters: int,
) -> None:
    """CodePipeline cuts a pipeline's name to 20 letters and an artifact's to 10."""
    naming = Naming("p" * (letters - len("-prod")), "prod")
    ours, releases = naming.platform_artifacts, naming.pipeline_artifacts
    granted = {
        PROPOSAL: f"{ours}{PROPOSAL}/*",
        **{name: f"{releases}{name}/*" for name in (TAKEN, PREPARED)},
    }
    written = {
        (name, f"{pipeline[:20]}/{name[:10]}/Ab3dE6g")
        for pipeline, names in (
            (naming.platform_pipeline, (PROPOSAL,)),
            (naming.pipeline("iris"), (TAKEN, PREPARED)),
            (naming.pipeline("platform"), (TAKEN, PREPARED)),
        )
        for name in names
    }
    for name, key in written:
        assert [it for it, pattern in granted.items() if fnmatchcase(key, pattern)] == [name]
