import json
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from mlops_constructs.endpoint_policies import Principals
from mlops_constructs.faults import FaultsError
from mlops_constructs.naming import Naming
from mlops_constructs.private_network import PrivateNetwork
from mlops_constructs.release_builds import BUILDSPEC, ReleaseBuilds
from mlops_constructs.tracking_server import TrackingServer
from tests.unit.constructs.conftest import ACCOUNT, DIGEST, Bench, listed

Statements = Callable[[Template], list[dict[str, Any]]]
PROJECT = "AWS::CodeBuild::Project"
BUCKET = "arn:aws:s3:::mlops-blue-releases-123456789012"
APPROVE, STOP = "codepipeline:PutApprovalResult", "codepipeline:StopPipelineExecution"
OF_EVERY_BUILD = (
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "s3:PutObject",
)


def projects(template: Template) -> dict[str, dict[str, Any]]:
    """The properties of each project, by its name's end."""
    return {
        it["Properties"]["Name"].rpartition("-")[2]: it["Properties"]
        for it in template.find_resources(PROJECT).values()
    }


def granted(template: Template, role: str) -> list[tuple[set[str], set[str]]]:
    """What the role of a project may do, and with what."""
    return [
        (listed(statement["Action"]), listed(statement["Resource"]))
        for policy in template.find_resources("AWS::IAM::ManagedPolicy").values()
        if role in str(policy["Properties"]["Roles"])
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def actions(template: Template, role: str) -> set[str]:
    return {action for allowed, _ in granted(template, role) for action in allowed}


def written(template: Template, role: str) -> set[str]:
    """The objects that the role of a project may write."""
    return {
        resource
        for allowed, resources in granted(template, role)
        if "s3:PutObject" in allowed
        for resource in resources
    }


def reads(template: Template, role: str) -> set[str]:
    """The objects that the role of a project may read."""
    return {
        resource
        for allowed, resources in granted(template, role)
        if "s3:GetObject" in allowed
        for resource in resources
    }


def changes(allowed: set[str]) -> set[str]:
    changing = ("Create", "Delete", "Update", "Execute", "Put", "Start", "Stop")
    return {it for it in allowed if any(f":{verb}" in it for verb in changing)}


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        bench.builds()
        return bench.template()

    def test_they_run_our_image_by_its_digest_in_the_network(self, template: Template) -> None:
        template.resource_count_is(PROJECT, 4)
        for project in template.find_resources(PROJECT).values():
            properties = project["Properties"]
            assert f"@{DIGEST}" in str(properties["Environment"]["Image"])
            assert properties["Environment"]["ImagePullCredentialsType"] == "CODEBUILD"
            assert properties["Environment"]["PrivilegedMode"] is False
            assert len(properties["VpcConfig"]["Subnets"]) == 2
            assert properties["EncryptionKey"]

    def test_pipelines_bring_source_and_artifacts_along(self, template: Template) -> None:
        for name, project in projects(template).items():
            if name != "close":
                assert project["Source"] == {"Type": "CODEPIPELINE", "BuildSpec": BUILDSPEC}
                assert project["Artifacts"] == {"Type": "CODEPIPELINE"}

    def test_without_a_pipeline_one_takes_the_app_and_leaves_nothing(
        self, template: Template
    ) -> None:
        close = projects(template)["close"]
        assert (close["Source"]["Type"], close["Source"]["BuildSpec"]) == ("S3", BUILDSPEC)
        assert "/source/app.zip" in str(close["Source"]["Location"])
        assert close["Artifacts"] == {"Type": "NO_ARTIFACTS"}

    def test_what_they_are_told_is_not_secret(self, template: Template) -> None:
        every = {"RELEASE_ENV", "RELEASE_BUCKET", "RELEASE_TOPIC"}
        asking = {*every, "RELEASE_LOGIN", "TRACKING_URI", "INVOCATION_URL", "INVOCATION_KEY"}
        told = {}
        for name, project in projects(template).items():
            variables = project["Environment"]["EnvironmentVariables"]
            told[name] = {it["Name"] for it in variables}
            assert {it["Type"] for it in variables} == {"PLAINTEXT"}
        assert told == {"prepare": asking, "inspect": every, "deploy": asking, "close": asking}

    def test_what_is_proposed_reaches_aws_and_no_mlflow(self, template: Template) -> None:
        groups = {
            name: str(project["VpcConfig"]["SecurityGroupIds"])
            for name, project in projects(template).items()
        }
        assert groups["prepare"] == groups["deploy"] != groups["inspect"]
        rules = template.find_resources("AWS::EC2::SecurityGroupIngress").values()
        reached = {
            name: sorted(
                it["Properties"]["FromPort"]
                for it in rules
                if str(it["Properties"]["SourceSecurityGroupId"]) in group
            )
            for name, group in groups.items()
        }
        asking = {name: [443, 5000] for name in ("prepare", "deploy", "close")}
        assert reached == {**asking, "inspect": [443]}

    def test_what_is_proposed_leaves_to_the_endpoints_alone(self, template: Template) -> None:
        """What a group may send to, in its own rules and in those beside it."""
        (group,) = [
            it["Properties"]
            for it in template.find_resources("AWS::EC2::SecurityGroup").values()
            if it["Properties"]["GroupDescription"] == "Builds of what is proposed"
        ]
        beside = [
            it["Properties"]
            for it in template.find_resources("AWS::EC2::SecurityGroupEgress").values()
            if "InspectGroup" in str(it["Properties"]["GroupId"])
        ]
        leaving = [*group.get("SecurityGroupEgress", []), *beside]
        assert {it["ToPort"] for it in leaving} == {443}
        assert not any("CidrIp" in it for it in leaving)

    def test_a_project_waits_for_its_role(self, template: Template) -> None:
        policies = template.find_resources("AWS::IAM::ManagedPolicy")
        for project in template.find_resources(PROJECT).values():
            role = project["Properties"]["ServiceRole"]["Fn::GetAtt"][0]
            own = [name for name, it in policies.items() if role in str(it["Properties"]["Roles"])]
            assert {role, *own} <= set(project["DependsOn"])

    def test_logs_are_encrypted_and_ours(self, template: Template) -> None:
        template.resource_count_is("AWS::Logs::LogGroup", 1)
        template.all_resources_properties(
            PROJECT, {"LogsConfig": {"CloudWatchLogs": Match.object_like({"Status": "ENABLED"})}}
        )

    def test_nothing_that_runs_before_an_approval_can_change_the_account(
        self, template: Template
    ) -> None:
        before, after = (actions(template, f"Builds{name}Role") for name in ("Prepare", "Deploy"))
        assert after - before == {"apigateway:GET", "execute-api:Invoke", "sts:AssumeRole"}
        assert changes(before) == {*OF_EVERY_BUILD, "codepipeline:PutApprovalResult"}

    def test_what_is_proposed_can_neither_approve_nor_change_what_is_released(
        self, template: Template, statements: Statements
    ) -> None:
        inspecting = actions(template, "BuildsInspectRole")
        assert changes(inspecting) == {*OF_EVERY_BUILD, "codepipeline:StopPipelineExecution"}
        assert not any("secretsmanager" in it or "sagemaker" in it for it in inspecting)
        (stopping,) = [s for s in statements(template) if STOP in s["Action"]]
        assert str(stopping["Resource"]).endswith(":mlops-blue-platform")
        approving = [s for s in statements(template) if APPROVE in s["Action"]]
        assert all(str(s["Resource"]).endswith(":mlops-blue-release-*") for s in approving)

    def test_what_is_proposed_writes_what_it_hands_on_and_how_far_it_came(
        self, template: Template
    ) -> None:
        assert written(template, "BuildsInspectRole") == {f"{BUCKET}/platform/*"}

    def test_no_build_writes_the_files_that_a_proposal_is_deployed_from(
        self, template: Template
    ) -> None:
        """CodePipeline alone does, from the very version that was proposed."""
        proposed = f"{BUCKET}/mlops-blue-platform/Proposed/"
        for name in ("Prepare", "Inspect", "Deploy"):
            found = written(template, f"Builds{name}Role")
            assert found
            assert not any(fnmatchcase(f"{proposed}Ab3dE6g", it) for it in found)
        assert f"{proposed}*" in reads(template, "BuildsDeployRole")

    def test_an_approved_app_is_put_in_place_by_who_deploys(self, template: Template) -> None:
        apps = {name: written(template, f"Builds{name}Role") for name in ("Prepare", "Deploy")}
        assert f"{BUCKET}/source/app.zip" in apps["Deploy"]
        assert not any("source/" in it or "/platform/" in it for it in apps["Prepare"])
        assert not any("proposed" in it or it == f"{BUCKET}/source/*" for it in apps["Deploy"])

    def test_stacks_are_read_as_far_as_a_step_needs(
        self, template: Template, statements: Statements
    ) -> None:
        read = {
            found
            for s in statements(template)
            if "cloudformation:GetTemplate" in s["Action"]
            for found in re.findall(r":stack/([^']+)", str(s["Resource"]))
        }
        around = {"mlops-blue-Network/*", "mlops-blue-Data/*"}
        assert read == {"mlops-blue-Endpoint-*/*", *around, "mlops-blue-*/*"}
        (narrow,) = [
            s for s in statements(template) if "mlops-blue-Endpoint-*/*" in str(s["Resource"])
        ]
        assert "cloudformation:DescribeStackEvents" in narrow["Action"]

    def test_what_serves_is_written_down_by_who_deploys(
        self, template: Template, statements: Statements
    ) -> None:
        found = [str(s["Resource"]) for s in statements(template) if "s3:PutObject" in s["Action"]]
        assert sum(f"{BUCKET}/records/*" in it for it in found) == 1
        assert sum(f"{BUCKET}/attempts/*" in it for it in found) == 2

    def test_the_roles_of_the_bootstrap_are_taken_and_no_other(
        self, template: Template, statements: Statements
    ) -> None:
        (taken,) = [s for s in statements(template) if s["Action"] == "sts:AssumeRole"]
        roles = "arn:aws:iam::123456789012:role/cdk-hnb659fds"
        assert taken["Resource"] == [
            f"{roles}-deploy-role-123456789012-eu-west-1",
            f"{roles}-file-publishing-role-123456789012-eu-west-1",
        ]

    def test_endpoints_are_asked_and_no_other_part_of_an_api(
        self, template: Template, statements: Statements
    ) -> None:
        (asked,) = [s for s in statements(template) if s["Action"] == "execute-api:Invoke"]
        api = "arn:aws:execute-api:eu-west-1:123456789012:*"
        assert asked["Resource"] == [
            f"{api}/v1/GET/endpoints/*/invocations/*",
            f"{api}/v1/POST/endpoints/*/invocations",
        ]

    def test_codebuild_alone_takes_a_role_for_its_own_project(self, template: Template) -> None:
        takes = {}
        for name, role in template.find_resources("AWS::IAM::Role").items():
            (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            assert trust["Principal"] == {"Service": "codebuild.amazonaws.com"}
            given = trust["Condition"]["StringEquals"]
            assert given["aws:SourceAccount"] == ACCOUNT
            projects = listed(given["aws:SourceArn"])
            takes[name[:-8]] = {
                it.rpartition(":project/mlops-blue-releases-")[2] for it in projects
            }
        assert takes == {
            "BuildsPrepareRole": {"prepare"},
            "BuildsInspectRole": {"inspect"},
            "BuildsDeployRole": {"deploy", "close"},
        }

    def test_an_alarm_says_that_an_end_could_not_be_written_down(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::CloudWatch::Alarm",
            {
                "Namespace": "AWS/CodeBuild",
                "MetricName": "FailedBuilds",
                "Dimensions": [{"Name": "ProjectName", "Value": "mlops-blue-releases-close"}],
                "Threshold": 1,
                "EvaluationPeriods": 1,
                "AlarmActions": Match.any_value(),
            },
        )

    def test_interfaces_are_lent_to_codebuild_in_our_subnets_alone(
        self, template: Template, statements: Statements
    ) -> None:
        lent = [
            s for s in statements(template) if s["Action"] == "ec2:CreateNetworkInterfacePermission"
        ]
        assert len(lent) == 3
        for statement in lent:
            condition = statement["Condition"]
            assert condition["StringEquals"]["ec2:AuthorizedService"] == "codebuild.amazonaws.com"
            assert len(condition["ArnEquals"]["ec2:Subnet"]) == 2


def test_what_is_proposed_and_what_is_released_stand_apart_however_long_the_names(
    bench: Bench,
) -> None:
    """CodePipeline cuts the names of both pipelines to the same 20 letters."""
    bench.naming = Naming("private-mlops", "stage")
    bench.builds()
    template = bench.template()
    folder = "arn:aws:s3:::private-mlops-stage-releases-123456789012/private-mlops-stage-"
    for name, read, wrote in (
        ("Prepare", {"App", "Prepared"}, {"Prepared"}),
        ("Inspect", {"Proposed"}, set()),
        ("Deploy", {"Prepared", "Proposed"}, set()),
    ):
        role = f"Builds{name}Role"
        for found, expected in ((reads(template, role), read), (written(template, role), wrote)):
            handed_on = {it for it in found if it.startswith(folder)}
            assert handed_on == {f"{folder}/{each}/*" for each in expected}


def test_a_policy_has_the_size_that_iam_takes(bench: Bench) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""
    bench.builds()
    for policy in bench.template().find_resources("AWS::IAM::ManagedPolicy").values():
        document = json.dumps(policy["Properties"]["PolicyDocument"], separators=(",", ":"))
        assert len(document) < 6144


def test_the_network_has_to_know_their_calls(bench: Bench) -> None:
    without = PrivateNetwork(
        bench.stack,
        "Without",
        vpc=bench.vpc(bench.stack),
        calls=TrackingServer.CALLS,
        naming=bench.naming,
        principals=Principals(ACCOUNT),
        s3_prefix_list="pl-6da54004",
    )
    with pytest.raises(FaultsError) as raised:
        ReleaseBuilds(
            bench.stack,
            "Builds",
            naming=bench.naming,
            network=without,
            repository=bench.repository(),
            digest=DIGEST,
            store=bench.releases(),
            key=bench.key,
            tools=bench.tools(),
            log_settings=bench.log_settings,
            alarms=bench.alarms(),
        )
    missing = {fault.path for fault in raised.value.faults}
    assert {"cloudformation", "codepipeline", "sns", "ssm", "sts"} <= missing
