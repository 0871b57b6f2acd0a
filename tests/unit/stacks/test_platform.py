"""The stacks of an environment: which there are, and what each of them holds."""

import json
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from mlops_constructs.async_plan import ASYNC_PREFIX
from mlops_constructs.capture_plan import CAPTURE_PREFIX
from mlops_constructs.faults import FaultsError
from operations.records import write_release
from stacks.capacity_config import AsyncSettings, ScalingSettings
from stacks.config import Environment, load_environment
from stacks.endpoint_config import Endpoint
from stacks.one_endpoint import build_endpoint
from stacks.platform import build_platform
from stacks.releases import Release, Released
from stacks.update_config import DeploymentSettings, LimitSettings
from tests.conftest import ENVIRONMENTS, RELEASES, ROOT, VARIANTS, folder_of

STACKS = ("Network", "Data", "Tracking", "Endpoint-iris", "Api", "Client-databricks")
FOLLOWING = ("local", "dev", "prod")
"""Environments that follow aliases."""
EXAMPLES = ("Endpoint-diabetes", "Endpoint-abalone", "Endpoint-abalone-two")
"""Stacks of the environments that serve the examples."""


@cache
def flags() -> dict[str, object]:
    context: dict[str, object] = json.loads((ROOT / "cdk.json").read_text())["context"]
    return context


class Synthesized:
    """The templates of an environment, and what was left out."""

    def __init__(self, environment: Environment, releases: Path, output: Path) -> None:
        app = App(context=flags(), outdir=str(output))
        self.folder = output
        self.left_out = build_platform(app, environment, releases)
        assembly = app.synth()
        self.templates: dict[str, dict[str, Any]] = {
            stack.id: stack.template for stack in assembly.stacks
        }


@pytest.fixture(scope="module")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Synthesized]:
    return {
        name: Synthesized(
            load_environment(name, folder_of(name)),
            RELEASES,
            tmp_path_factory.mktemp(name),
        )
        for name in (*ENVIRONMENTS, *VARIANTS)
    }


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    environment = load_environment("dev", ROOT / "environments")
    return Synthesized(environment, Path("nowhere"), tmp_path_factory.mktemp("bare"))


def masked(template: dict[str, Any]) -> dict[str, Any]:
    """A template without the hashes of its assets: code may change without it."""
    copy: dict[str, Any] = json.loads(json.dumps(template))
    for resource in copy["Resources"].values():
        code = resource["Properties"].get("Code", {}) if "Properties" in resource else {}
        if "S3Key" in code:
            code["S3Key"] = "<asset>"
    return copy


SERVING = ("abalone", "choice", "compared", "iris", "nightly", "rare", "reports", "small")
"""The endpoints of an environment that serves in every way."""


@pytest.mark.parametrize(
    ("name", "stack"),
    [
        *((name, stack) for name in ("local", "prod", "managed") for stack in STACKS),
        *((name, "Release") for name in ("local", "prod")),
        ("dev", "Data"),
        *(("serving", f"Endpoint-{endpoint}") for endpoint in SERVING),
    ],
)
def test_snapshot(
    name: str, stack: str, synthesized: dict[str, Synthesized], snapshot: SnapshotAssertion
) -> None:
    template = masked(synthesized[name].templates[stack])
    assert template == snapshot(extension_class=JSONSnapshotExtension)


@pytest.mark.parametrize("stack", EXAMPLES)
def test_snapshot_of_the_examples(
    stack: str, synthesized: dict[str, Synthesized], snapshot: SnapshotAssertion
) -> None:
    template = masked(synthesized["dev"].templates[stack])
    assert template == snapshot(extension_class=JSONSnapshotExtension)


@pytest.mark.parametrize("name", [*ENVIRONMENTS, *VARIANTS])
def test_an_environment_is_its_stacks(name: str, synthesized: dict[str, Synthesized]) -> None:
    environment = load_environment(name, folder_of(name))
    endpoints = {f"Endpoint-{endpoint}" for endpoint in environment.endpoints}
    clients = {f"Client-{client}" for client in environment.clients}
    stacks = {"Network", "Data", "Tracking", "Api", *endpoints, *clients}
    stacks |= {"Release"} if name in FOLLOWING else set()
    assert set(synthesized[name].templates) == stacks
    assert synthesized[name].left_out == []


class TestBeforeAnythingIsReleased:
    def test_what_needs_a_release_is_left_out_and_said(self, bare: Synthesized) -> None:
        assert set(bare.templates) == {"Network", "Data", "Api"}
        assert bare.left_out == [
            "Tracking: image 'mlflow' is not pushed yet; run 'make images ENV=dev'",
            *(
                f"Endpoint-{name}: not released yet; run 'make release ENV=dev ENDPOINT={name}'"
                for name in ("abalone", "abalone-two", "diabetes", "iris")
            ),
            "Release: image 'release' is not pushed yet; run 'make images ENV=dev'",
            "Client-databricks: stands on Tracking, which is left out too",
        ]

    def test_a_release_that_no_longer_fits_is_said(self, tmp_path: Path) -> None:
        environment = load_environment("dev", ROOT / "environments")
        iris = environment.endpoints["iris"].model_copy(update={"model": "models:/rose@champion"})
        changed = following(environment, "iris", {"iris": iris})
        assert Synthesized(changed, RELEASES, tmp_path).left_out == [
            "Endpoint-iris: its release is older than its model;"
            " run 'make release ENV=dev ENDPOINT=iris'"
        ]

    @pytest.mark.parametrize("stack", ["Network", "Data", "Api"])
    def test_a_release_changes_no_other_stack(
        self, stack: str, bare: Synthesized, synthesized: dict[str, Synthesized]
    ) -> None:
        assert bare.templates[stack] == synthesized["dev"].templates[stack]


def test_a_release_and_a_change_of_the_platform_are_approved_each_by_itself(
    synthesized: dict[str, Synthesized],
) -> None:
    """In dev nobody approves releases; the platform is another matter."""
    pipelines = {
        resource["Properties"]["Name"]: [it["Name"] for it in resource["Properties"]["Stages"]]
        for resource in synthesized["dev"].templates["Release"]["Resources"].values()
        if resource["Type"] == "AWS::CodePipeline::Pipeline"
    }
    approved = {name for name, stages in pipelines.items() if "Approve" in stages}
    assert approved == {"private-mlops-dev-platform"}
    assert len(pipelines) == 3


@pytest.mark.parametrize("name", [*ENVIRONMENTS, *VARIANTS])
def test_what_a_stack_imports_is_exported(name: str, synthesized: dict[str, Synthesized]) -> None:
    templates = synthesized[name].templates
    exported = {
        output["Export"]["Name"]
        for template in templates.values()
        for output in template.get("Outputs", {}).values()
        if "Export" in output
    }
    for stack, template in templates.items():
        imported = set(re.findall(r'"Fn::ImportValue": "([^"]+)"', json.dumps(template)))
        assert bool(imported) == (stack != "Network")
        assert imported <= exported, stack


def test_endpoints_are_deployed_after_what_they_stand_on(
    synthesized: dict[str, Synthesized],
) -> None:
    manifest = json.loads((synthesized["serving"].folder / "manifest.json").read_text())
    for endpoint in SERVING:
        assert {"Network", "Data"} <= set(
            manifest["artifacts"][f"Endpoint-{endpoint}"]["dependencies"]
        )


class TestOneEndpoint:
    """By itself it is what it is among the others."""

    @pytest.mark.parametrize(
        ("name", "endpoint"),
        [
            ("dev", "abalone-two"),
            ("prod", "iris"),
            ("managed", "iris"),
            *(("serving", endpoint) for endpoint in SERVING),
        ],
    )
    def test_its_template_is_that_of_the_whole(
        self, name: str, endpoint: str, synthesized: dict[str, Synthesized], tmp_path: Path
    ) -> None:
        environment = load_environment(name, folder_of(name))
        app = App(context=flags(), outdir=str(tmp_path / "one"))
        assert build_endpoint(app, environment, RELEASES, endpoint) == []
        (made,) = (Path(stack.template_full_path) for stack in app.synth().stacks)
        assert made.name == f"Endpoint-{endpoint}.template.json"
        assert made.read_bytes() == (synthesized[name].folder / made.name).read_bytes()

    def test_what_is_not_released_is_said(self, tmp_path: Path) -> None:
        environment = load_environment("dev", ROOT / "environments")
        app = App(context=flags(), outdir=str(tmp_path))
        assert build_endpoint(app, environment, Path("nowhere"), "iris") == [
            "Endpoint-iris: not released yet; run 'make release ENV=dev ENDPOINT=iris'"
        ]

    def test_one_that_is_not_there_is_a_fault(self, tmp_path: Path) -> None:
        environment = load_environment("dev", ROOT / "environments")
        app = App(context=flags(), outdir=str(tmp_path))
        with pytest.raises(FaultsError, match="Did you mean 'iris'"):
            build_endpoint(app, environment, RELEASES, "irs")


DIGEST = f"sha256:{'d' * 64}"
ELSEWHERE = "333333333333"
SERVICE = "com.amazonaws.vpce.ap-northeast-1.vpce-svc-0123456789abcdef0"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """The production environment with its client in another account."""
    environment = load_environment("prod", ROOT / "environments")
    client = environment.clients["databricks"].model_copy(
        update={"account": ELSEWHERE, "endpoint_service": SERVICE}
    )
    changed = environment.model_copy(update={"clients": {"databricks": client}})
    return Synthesized(changed, RELEASES, tmp_path_factory.mktemp("elsewhere"))


class TestClientOfAnotherAccount:
    def test_the_role_stays_with_the_platform(self, elsewhere: Synthesized) -> None:
        (role,) = [
            resource["Properties"]
            for resource in elsewhere.templates["ClientAccess-databricks"]["Resources"].values()
            if resource["Type"] == "AWS::IAM::Role" and "RoleName" in resource["Properties"]
        ]
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert f"iam::{ELSEWHERE}:root" in json.dumps(trust["Principal"])
        assert f"::{ELSEWHERE}:role/private-mlops/prod/*" in json.dumps(trust["Condition"])

    def test_the_instance_profile_takes_that_role_and_does_no_more(
        self, elsewhere: Synthesized
    ) -> None:
        template = elsewhere.templates["Client-databricks"]
        (policy,) = [
            resource["Properties"]["PolicyDocument"]["Statement"]
            for resource in template["Resources"].values()
            if resource["Type"] == "AWS::IAM::ManagedPolicy"
        ]
        assert [statement["Action"] for statement in policy] == ["sts:AssumeRole"]
        assert "222222222222:role/private-mlops/prod/" in json.dumps(policy)

    def test_the_stack_refers_to_no_stack_of_the_other_account(
        self, elsewhere: Synthesized
    ) -> None:
        template = elsewhere.templates["Client-databricks"]
        assert "Fn::ImportValue" not in json.dumps(template)
        assert SERVICE in json.dumps(template["Outputs"]["NccRule"])
        endpoints = [r for r in template["Resources"].values() if "VPCEndpoint" in r["Type"]]
        assert "222222222222" in json.dumps(endpoints)
        assert ELSEWHERE not in json.dumps(endpoints)

    def test_the_notebook_is_told_which_role_to_take(self, elsewhere: Synthesized) -> None:
        outputs = elsewhere.templates["ClientAccess-databricks"]["Outputs"]
        assert "assume_role" in json.dumps(outputs["NotebookSettings"])
        assert '\\"assume_role\\":\\"\\"' not in json.dumps(outputs["NotebookSettings"])


class TestManaged:
    """Where AWS runs MLflow."""

    def test_nothing_is_made_that_nobody_reads(self, synthesized: dict[str, Synthesized]) -> None:
        kinds = {
            resource["Type"].rpartition("::")[0]
            for stack, template in synthesized["managed"].templates.items()
            if stack != "Endpoint-iris"
            for resource in template["Resources"].values()
        }
        services = {"RDS", "Backup", "ECS", "ElasticLoadBalancingV2", "CloudWatch", "Kms"}
        assert not kinds & {f"AWS::{service}" for service in services}
        assert "AWS::SageMaker" in kinds

    def test_mlflow_needs_no_image(self, tmp_path: Path) -> None:
        environment = load_environment("managed", folder_of("managed"))
        bare = Synthesized(environment, Path("nowhere"), tmp_path)
        assert "Tracking" in bare.templates
        assert "Client-databricks" in bare.templates

    def test_the_outputs_are_the_same_where_they_mean_something(
        self, synthesized: dict[str, Synthesized]
    ) -> None:
        """What reads TrackingUri goes on; of an endpoint service, there is none."""
        tracking, client = (
            {name for name in found if not name.startswith("ExportsOutput")}
            for stack in ("Tracking", "Client-databricks")
            for found in [synthesized["managed"].templates[stack]["Outputs"]]
        )
        assert tracking == {"TrackingUri", "TrackingPolicyArn"}
        served = synthesized["prod"].templates["Client-databricks"]["Outputs"]
        service = {"EndpointServiceName", "AllowedPrincipals", "NccRule"}
        assert client == set(served) - service

    def test_the_names_are_answered_and_the_endpoint_is_there(
        self, synthesized: dict[str, Synthesized]
    ) -> None:
        network = json.dumps(synthesized["managed"].templates["Network"])
        assert "mlflow.sagemaker.ap-northeast-1.app.aws" in network
        assert "aws.sagemaker.ap-northeast-1.mlflow" in network
        assert "secretsmanager" not in network
        assert "app.aws" not in json.dumps(synthesized["prod"].templates["Network"])

    def test_the_bucket_lets_the_apps_role_in_and_says_so(
        self, synthesized: dict[str, Synthesized]
    ) -> None:
        data = synthesized["managed"].templates["Data"]
        assert "PerimeterRole:/private-mlops/managed/mlflow/" in data["Metadata"]
        policies = [
            json.dumps(resource)
            for resource in data["Resources"].values()
            if resource["Type"] == "AWS::S3::BucketPolicy"
        ]
        role = "arn:aws:iam::222222222222:role/private-mlops/managed/mlflow/*"
        assert [role in policy for policy in policies].count(True) == 1
        assert role not in json.dumps(synthesized["prod"].templates["Data"])

    def test_a_role_of_the_app_is_where_the_bucket_expects_it(
        self, synthesized: dict[str, Synthesized]
    ) -> None:
        resources = synthesized["managed"].templates["Tracking"]["Resources"].values()
        paths = [r["Properties"]["Path"] for r in resources if r["Type"] == "AWS::IAM::Role"]
        assert paths == ["/private-mlops/managed/mlflow/"]

    def test_a_client_of_another_account_is_told_in_the_platforms(self, tmp_path: Path) -> None:
        environment = load_environment("managed", folder_of("managed"))
        settings = environment.clients["databricks"].model_copy(update={"account": ELSEWHERE})
        changed = environment.model_copy(update={"clients": {"databricks": settings}})
        elsewhere = Synthesized(changed, RELEASES, tmp_path)
        client = elsewhere.templates["Client-databricks"]
        assert "TrackingUri" not in client["Outputs"]
        assert "Fn::ImportValue" not in json.dumps(client)
        access = elsewhere.templates["ClientAccess-databricks"]
        assert "MlflowApp" in json.dumps(access["Outputs"]["NotebookSettings"])
        assert "sagemaker:CallMlflowAppApi" in json.dumps(access["Resources"])

    def test_the_metadata_outlives_its_stack(self, synthesized: dict[str, Synthesized]) -> None:
        resources = synthesized["managed"].templates["Tracking"]["Resources"].values()
        (app,) = [r for r in resources if r["Type"] == "AWS::SageMaker::MlflowApp"]
        assert app["DeletionPolicy"] == app["UpdateReplacePolicy"] == "Retain"


class TestPromotion:
    """From dev to prod: one role reads what serves in dev, and is let in by its name."""

    ROLE = "arn:aws:iam::111111111111:role/private-mlops/dev/private-mlops-dev-promote-to-prod"

    @pytest.fixture
    def data(self, synthesized: dict[str, Synthesized]) -> dict[str, Any]:
        return synthesized["dev"].templates["Data"]

    def test_the_buckets_let_the_role_in_and_say_so(self, data: dict[str, Any]) -> None:
        said = data["Metadata"]["PerimeterRole:private-mlops-dev-promote-to-prod"]
        assert said == ("prod reads what serves here, as arn:aws:iam::222222222222:role/delivery.")
        policies = [
            json.dumps(it)
            for it in data["Resources"].values()
            if it["Type"] == "AWS::S3::BucketPolicy"
        ]
        assert [self.ROLE in policy for policy in policies].count(True) == 2

    def test_of_the_images_those_that_endpoints_serve_with(self, data: dict[str, Any]) -> None:
        repositories = {
            it["Properties"]["RepositoryName"]: json.dumps(it)
            for it in data["Resources"].values()
            if it["Type"] == "AWS::ECR::Repository"
        }
        assert {name for name, it in repositories.items() if self.ROLE in it} == {
            "private-mlops/dev/iris",
            "private-mlops/dev/model-server",
        }

    def test_who_is_promoted_to_lets_nobody_in(self, synthesized: dict[str, Synthesized]) -> None:
        assert "promote-to" not in json.dumps(synthesized["prod"].templates["Data"])


class TestTls:
    """Where there is a certificate, whoever is told of MLflow is told https."""

    @pytest.mark.parametrize(("name", "scheme"), [("prod", "https"), ("dev", "http")])
    def test_clients_are_told(
        self, name: str, scheme: str, synthesized: dict[str, Synthesized]
    ) -> None:
        outputs = synthesized[name].templates["Client-databricks"]["Outputs"]
        assert outputs["TrackingUri"]["Value"].startswith(f"{scheme}://mlflow.")
        assert f"{scheme}://mlflow." in json.dumps(outputs["NotebookSettings"])

    @pytest.mark.parametrize(("name", "answered"), [("prod", True), ("dev", False)])
    def test_the_firewall_answers_for_the_name(
        self, name: str, answered: bool, synthesized: dict[str, Synthesized]
    ) -> None:
        domains = [
            domain
            for resource in synthesized[name].templates["Network"]["Resources"].values()
            if resource["Type"] == "AWS::Route53Resolver::FirewallDomainList"
            for domain in resource["Properties"]["Domains"]
        ]
        assert ("mlflow.mlops.internal" in domains) is answered


def test_secrets_rotate_as_often_as_the_environment_says(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    environment = load_environment("dev", ROOT / "environments")
    database = environment.data.database.model_copy(update={"rotation": 14})
    data = environment.data.model_copy(update={"database": database})
    changed = environment.model_copy(update={"data": data})
    found = Synthesized(changed, Path("nowhere"), tmp_path_factory.mktemp("rotation"))
    rules = [
        resource["Properties"]["RotationRules"]
        for resource in found.templates["Data"]["Resources"].values()
        if resource["Type"] == "AWS::SecretsManager::RotationSchedule"
    ]
    assert rules == 2 * [{"AutomaticallyAfterDays": 14}]


def test_what_endpoints_leave_in_the_bucket_expires_when_the_environment_says(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    environment = load_environment("dev", ROOT / "environments")
    kept = {"capture_retention": 7, "async_retention": 3}
    changed = environment.model_copy(update={"data": environment.data.model_copy(update=kept)})
    found = Synthesized(changed, Path("nowhere"), tmp_path_factory.mktemp("expiring"))
    (rules,) = [
        resource["Properties"]["LifecycleConfiguration"]["Rules"]
        for name, resource in found.templates["Data"]["Resources"].items()
        if resource["Type"] == "AWS::S3::Bucket" and name.startswith("ArtifactsBucket")
    ]
    days = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "Prefix" in rule}
    assert days == {CAPTURE_PREFIX: 7, ASYNC_PREFIX: 3}


class TestScaling:
    @pytest.mark.parametrize(("name", "scaled"), [("prod", True), ("dev", True), ("local", False)])
    def test_tasks_are_added_where_there_may_be_more(
        self, name: str, scaled: bool, synthesized: dict[str, Synthesized]
    ) -> None:
        resources = synthesized[name].templates["Tracking"]["Resources"].values()
        kinds = {resource["Type"] for resource in resources}
        assert ("AWS::ApplicationAutoScaling::ScalableTarget" in kinds) is scaled


def many(environment: Environment, count: int) -> Environment:
    """An environment with many endpoints, each of another number of instances."""
    iris = environment.endpoints["iris"]
    endpoints = {
        f"m{number:03}": iris.model_copy(update={"instances": 2 + number % 4})
        for number in range(count)
    }
    return following(environment, "m001", endpoints)


def following(environment: Environment, one: str, endpoints: dict[str, Endpoint]) -> Environment:
    """An environment with other endpoints, of which one is followed."""
    assert environment.release
    release = environment.release.model_copy(update={"follow": [one]})
    return environment.model_copy(update={"endpoints": endpoints, "release": release})


def released(folder: Path, environment: Environment) -> Path:
    """A folder of releases, with one of each endpoint."""
    (folder / environment.name).mkdir()
    for record in ("images", *environment.endpoints):
        source = "images" if record == "images" else "iris"
        text = (RELEASES / environment.name / f"{source}.yaml").read_text()
        (folder / environment.name / f"{record}.yaml").write_text(text)
    return folder


class TestManyEndpoints:
    """Each has a stack of its own: one is changed, and no other."""

    def test_two_hundred_are_synthesized(self, tmp_path: Path) -> None:
        environment = many(load_environment("dev", ROOT / "environments"), 200)
        made = Synthesized(environment, released(tmp_path, environment), tmp_path / "out")
        endpoints = {name for name in made.templates if name.startswith("Endpoint-")}
        assert made.left_out == []
        assert len(endpoints) == 200
        names = {
            resource["Properties"]["EndpointName"]
            for name in endpoints
            for resource in made.templates[name]["Resources"].values()
            if resource["Type"] == "AWS::SageMaker::Endpoint"
        }
        assert len(names) == 200

    @pytest.mark.parametrize(
        "change",
        [
            {"instances": 9},
            {"instance": "ml.c5.large"},
            {"environment": {"THREADS": "2"}},
            {"deployment": DeploymentSettings(strategy="linear")},
            {"limits": LimitSettings.model_validate({"errors": "9 /min"})},
            {"scaling": ScalingSettings(min=2, max=9, concurrency=3)},
            {"kind": "async", "queue": AsyncSettings()},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_a_change_of_one_changes_one_stack(
        self, change: dict[str, object], tmp_path: Path
    ) -> None:
        before = many(load_environment("prod", ROOT / "environments"), 3)
        one = before.endpoints["m001"].model_copy(update={"scaling": None, **change})
        plain = before.endpoints["m001"].model_copy(update={"scaling": None})
        folder = released(tmp_path, before)
        old, new = (
            Synthesized(
                before.model_copy(update={"endpoints": {**before.endpoints, "m001": it}}),
                folder,
                tmp_path / name,
            ).templates
            for name, it in (("old", plain), ("new", one))
        )
        assert [name for name in old if old[name] != new[name]] == ["Endpoint-m001"]


class TestServerless:
    """The one kind that stands outside: its roles, and no others, are let in."""

    @pytest.fixture
    def serverless(self, tmp_path: Path) -> Synthesized:
        environment = load_environment("dev", ROOT / "environments")
        packed = f"s3://{environment.naming.artifact_bucket(environment.account)}/iris.tar.gz"
        iris = environment.endpoints["iris"].model_copy(
            update={"kind": "serverless", "model": packed}
        )
        changed = following(
            environment, "diabetes", {**environment.endpoints, "iris": iris}
        ).model_copy(
            update={
                "opt_outs": {**environment.opt_outs, "endpoints.serverless": 20 * "x"},
            }
        )
        folder = tmp_path / "releases"
        shutil.copytree(RELEASES, folder)
        record = Release({"model": Released(source=packed, digest=DIGEST, image=DIGEST)})
        write_release(folder, "dev", "iris", record)
        return Synthesized(changed, folder, tmp_path / "out")

    def test_the_bucket_lets_its_roles_in_and_says_so(
        self, serverless: Synthesized, synthesized: dict[str, Synthesized]
    ) -> None:
        data = serverless.templates["Data"]
        path = "/private-mlops/dev/sagemaker/serverless/"
        assert f"PerimeterRole:{path}" in data["Metadata"]
        role = f"arn:aws:iam::111111111111:role{path}*"
        policies = [
            it for it in data["Resources"].values() if it["Type"] == "AWS::S3::BucketPolicy"
        ]
        assert [role in json.dumps(policy) for policy in policies].count(True) == 1
        assert path not in json.dumps(synthesized["dev"].templates["Data"])
        assert serverless.templates["Network"] == synthesized["dev"].templates["Network"]

    def test_its_role_is_where_the_bucket_expects_it(self, serverless: Synthesized) -> None:
        template = serverless.templates["Endpoint-iris"]
        paths = {
            it["Properties"]["Path"]
            for it in template["Resources"].values()
            if it["Type"] == "AWS::IAM::Role"
        }
        assert paths == {"/private-mlops/dev/sagemaker/serverless/"}
        assert template["Metadata"] == {"OptOut:endpoints.serverless": 20 * "x"}


class TestRules:
    @pytest.mark.parametrize("name", ENVIRONMENTS)
    def test_every_role_lives_under_the_environments_path(
        self, name: str, synthesized: dict[str, Synthesized]
    ) -> None:
        paths = {
            resource["Properties"]["Path"]
            for template in synthesized[name].templates.values()
            for resource in template["Resources"].values()
            if resource["Type"] == "AWS::IAM::Role"
        }
        below = ("", "pipelines/", "sagemaker/")
        assert paths == {f"/private-mlops/{name}/{folder}" for folder in below}

    @pytest.mark.parametrize("name", ENVIRONMENTS)
    def test_no_role_has_a_policy_of_others_or_every_action(
        self, name: str, synthesized: dict[str, Synthesized]
    ) -> None:
        for template in synthesized[name].templates.values():
            for resource in template["Resources"].values():
                properties = resource.get("Properties", {})
                if resource["Type"] == "AWS::IAM::Role":
                    assert "ManagedPolicyArns" not in properties
                    assert "Policies" not in properties
                assert resource["Type"] != "AWS::IAM::Policy"
                if resource["Type"] == "AWS::IAM::ManagedPolicy":
                    assert properties["Path"] == f"/private-mlops/{name}/"
                    for statement in properties["PolicyDocument"]["Statement"]:
                        if statement["Effect"] == "Allow":
                            assert "*" not in json.dumps(statement["Action"])

    @pytest.mark.parametrize("name", ["dev", "prod"])
    def test_state_outlives_its_stack(self, name: str, synthesized: dict[str, Synthesized]) -> None:
        stateful = {
            "AWS::Backup::BackupVault",
            "AWS::ECR::Repository",
            "AWS::KMS::Key",
            "AWS::RDS::DBInstance",
            "AWS::S3::Bucket",
            "AWS::SecretsManager::Secret",
        }
        for template in synthesized[name].templates.values():
            for resource in template["Resources"].values():
                if resource["Type"] in stateful:
                    assert resource["DeletionPolicy"] == "Retain"
                    assert resource["UpdateReplacePolicy"] == "Retain"

    def test_reasons_for_opting_out_are_in_the_template(
        self, synthesized: dict[str, Synthesized]
    ) -> None:
        data = synthesized["local"].templates["Data"]["Metadata"]
        assert data["OptOut:data.database.multi_az"].startswith("One machine has one zone")
        safe = synthesized["prod"].templates["Data"]["Metadata"]
        assert [key for key in safe if key.startswith("OptOut:")] == []

    @pytest.mark.parametrize("name", ENVIRONMENTS)
    def test_no_image_is_built_by_synth(
        self, name: str, synthesized: dict[str, Synthesized]
    ) -> None:
        images = [
            text
            for template in synthesized[name].templates.values()
            for text in json.dumps(template).split('"')
            if "sha256:" in text and "amazonaws" not in text
        ]
        assert images
        assert "cdk-hnb659fds-container-assets" not in json.dumps(
            list(synthesized[name].templates.values())
        )
