"""A promotion from an environment in an account of its own, as it is run by hand.

The embedded AWS keeps accounts apart by the access key. The target is the local platform; of the
source, the Data stack's own buckets, key, repositories and role are deployed into another account.
Between the two, the emulator's own evaluator of policies is asked (`local/extensions/iam.py`). What
it does not know, the tests of the constructs and the proof ask: VPC endpoints, and KMS, as objects
have no keys here.

The tests build on each other, in their order.
"""

import hashlib
import io
import json
import random
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from aws_cdk import App
from botocore.exceptions import ClientError

from local.database import find_server
from local.demo import ask, train
from local.demo_release import ENDPOINT, LONGEST, MODEL, QUESTION, follow_aliases
from local.images import STORE, current_image
from local.platform import LocalPlatform, running_platform
from local.releasing import Followed, promotion_version, release_store
from local.state import StateFolder
from mlops_constructs.naming import MODELS_PREFIX
from operations.errors import OperationError
from operations.records import record_text
from operations.release import prefix_digest
from operations.source import source_zip
from releasing.promote import session_of
from releasing.records import Records
from stacks.config import Environment, load_environment
from stacks.data import DataStack
from stacks.network import NetworkStack
from stacks.releases import Release, Released
from tests.conftest import ROOT
from tests.local.conftest import processes_naming

ACCOUNT = "333333333333"
DELIVERY = "arn:aws:iam::000000000000:role/delivery"
FILES = f"{MODELS_PREFIX}/5/models/m-stage/artifacts/"
TAG = "0f1e2d3c4b5a6978"
KEPT = (
    "AWS::ECR::Repository",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
)
"""What of the Data stack a promotion meets."""


@dataclass(frozen=True)
class Stage:
    """The environment that is promoted from.

    Parameters
    ----------
    platform
        The target.
    checkout
        A checkout that has the files of both environments.
    environment
        The environment.
    image
        Digest of the image that serves there.
    """

    platform: LocalPlatform
    checkout: Path
    environment: Environment
    image: str

    def client(self, service: str) -> Any:
        """A client of its account's own."""
        return client(self.platform, service, ACCOUNT)

    def session(self) -> Any:
        """A session of the role that reads it, taken as whoever promotes takes it."""
        with signed(self.platform, delivery(self.platform)):
            return session_of(self.environment, self.platform.environment)

    def asked(self, service: str) -> Any:
        """A client of the role that reads it."""
        return self.session().client(service, endpoint_url=self.platform.url)

    @property
    def artifacts(self) -> str:
        return self.environment.naming.artifact_bucket(ACCOUNT)

    @property
    def releases(self) -> str:
        return self.environment.naming.release_bucket(ACCOUNT)


def client(platform: LocalPlatform, service: str, account: str) -> Any:
    return boto3.client(
        service,
        region_name=platform.environment.region,
        endpoint_url=platform.url,
        aws_access_key_id=account,
        aws_secret_access_key="any",
    )


def delivery(platform: LocalPlatform) -> dict[str, str]:
    """What signs as the role that promotes, of the target's account."""
    return taken(platform, DELIVERY)


def taken(platform: LocalPlatform, role: str) -> dict[str, str]:
    given = platform.client("sts").assume_role(RoleArn=role, RoleSessionName="promoting")
    credentials = given["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
    }


@contextmanager
def signed(platform: LocalPlatform, credentials: Mapping[str, str]) -> Iterator[None]:
    """Have this process ask the embedded AWS with credentials."""
    with pytest.MonkeyPatch.context() as patch:
        # A session reads credentials once.
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        patch.setenv("AWS_ENDPOINT_URL", platform.url)
        for name, value in credentials.items():
            patch.setenv(name, value)
        yield


def template(environment: Environment, output: Path) -> str:
    """The Data stack as the app makes it, without what a promotion does not meet."""
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(context=context, outdir=str(output))
    network = NetworkStack(app, "Network", environment=environment)
    DataStack(app, "Data", environment=environment, network=network)
    made = app.synth().get_stack_artifact("Data").template
    role = environment.naming.promotion("local")
    (reader,) = [
        name for name, it in made["Resources"].items() if it["Properties"].get("RoleName") == role
    ]
    kept = {
        name: it
        for name, it in made["Resources"].items()
        if it["Type"] in KEPT and ("IAM" not in it["Type"] or reader in (name, *roles_of(it)))
    }
    # What other stacks export are the ids of VPC endpoints, through which nobody comes here.
    text = json.dumps({"Resources": kept}, default=str)
    return json.dumps(without_imports(json.loads(text)))


def roles_of(resource: Mapping[str, Any]) -> list[str]:
    return [it["Ref"] for it in resource["Properties"].get("Roles", []) if "Ref" in it]


def without_imports(value: Any) -> Any:
    if isinstance(value, dict):
        if "Fn::ImportValue" in value:
            return "vpce-0a1b2c3d4e5f60718"
        return {key: without_imports(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_imports(item) for item in value]
    return value


def push(ecr: Any, repository: str, layers: list[bytes]) -> str:
    """Push an image as an engine does; its digest."""
    described = []
    for layer in layers:
        begun = ecr.initiate_layer_upload(repositoryName=repository)
        size = begun["partSize"]
        for first in range(0, len(layer), size):
            part = layer[first : first + size]
            ecr.upload_layer_part(
                repositoryName=repository,
                uploadId=begun["uploadId"],
                partFirstByte=first,
                partLastByte=first + len(part) - 1,
                layerPartBlob=part,
            )
        digest = f"sha256:{hashlib.sha256(layer).hexdigest()}"
        ecr.complete_layer_upload(
            repositoryName=repository, uploadId=begun["uploadId"], layerDigests=[digest]
        )
        described.append({"digest": digest, "size": len(layer)})
    kind = "application/vnd.oci.image.manifest.v1+json"
    content = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": described[0],
        "layers": described[1:],
    }
    put = ecr.put_image(
        repositoryName=repository,
        imageManifest=json.dumps(content, indent=3),
        imageManifestMediaType=kind,
        imageTag=TAG,
    )
    return str(put["image"]["imageId"]["imageDigest"])


def checkout_with(environment: str, folder: Path) -> None:
    """A copy of this checkout that has one more environment."""
    zipfile.ZipFile(io.BytesIO(source_zip(ROOT))).extractall(folder)
    text = (ROOT / "environments" / "dev.yaml").read_text(encoding="utf-8")
    text = text.replace("111111111111", ACCOUNT).replace(
        "prod: [arn:aws:iam::222222222222:role/delivery]", f"local: [{DELIVERY}]"
    )
    (folder / "environments" / f"{environment}.yaml").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    find_server()
    state = StateFolder(tmp_path_factory.mktemp("promoting"))
    checkout = tmp_path_factory.mktemp("checkout")
    checkout_with("stage", checkout)
    with running_platform(state) as platform:
        platform.install_images()
        platform.bootstrap()
        platform.deploy("Network", "Data", "Tracking", "Api")
        platform.deploy("Release")
        follow_aliases(platform)
        environment = load_environment("stage", checkout / "environments")
        found = Stage(platform, checkout, environment, _deploy(platform, environment, state.run))
        _serve(found, train(platform) / "model")
        yield found
    assert processes_naming(str(state.path)) == {}


def _deploy(platform: LocalPlatform, environment: Environment, folder: Path) -> str:
    """Make what a promotion meets in the account of the source, and push an image; its digest."""
    cloudformation = client(platform, "cloudformation", ACCOUNT)
    for role in ("delivery", "other"):
        trust = {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"AWS": "000000000000"},
        }
        platform.client("iam").create_role(
            RoleName=role,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )
    body = template(environment, folder / "stage.out")
    s3 = client(platform, "s3", ACCOUNT)
    region = {"LocationConstraint": environment.region}
    s3.create_bucket(Bucket="templates-of-stage", CreateBucketConfiguration=region)
    s3.put_object(Bucket="templates-of-stage", Key="data.json", Body=body.encode())
    name = environment.naming.stack("Data")
    cloudformation.create_stack(
        StackName=name,
        TemplateURL=f"{platform.url}/templates-of-stage/data.json",
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    random_bytes = random.Random(1).randbytes  # noqa: S311
    layers = [b'{"architecture": "amd64"}', random_bytes(25_000_000), random_bytes(1000)]
    repository = environment.naming.repository("iris")
    return push(client(platform, "ecr", ACCOUNT), repository, layers)


def _serve(stage: Stage, model: Path) -> None:
    """Record that a model serves there."""
    s3 = stage.client("s3")
    for path in sorted(model.rglob("*")):
        if path.is_file():
            key = f"{FILES}{path.relative_to(model).as_posix()}"
            s3.put_object(Bucket=stage.artifacts, Key=key, Body=path.read_bytes())
    served = Released(
        model=MODEL,
        version=31,
        source=f"s3://{stage.artifacts}/{FILES}",
        digest=prefix_digest(s3, stage.artifacts, FILES),
        image=stage.image,
    )
    text = record_text(Release({"model": served}).record)
    s3.put_object(Bucket=stage.releases, Key=f"records/{ENDPOINT}.yaml", Body=text.encode())
    for prefix in ("promotions", "attempts"):
        s3.put_object(Bucket=stage.releases, Key=f"{prefix}/{ENDPOINT}.json", Body=b"{}")
    s3.put_object(Bucket=stage.artifacts, Key="clients/lab/notes.txt", Body=b"not for others")


class TestRole:
    """The role that the stack made, by the evaluator of the emulator."""

    def test_is_taken_by_the_role_that_is_named_alone(self, stage: Stage) -> None:
        other = taken(stage.platform, DELIVERY.replace("delivery", "other"))
        with signed(stage.platform, other), pytest.raises(OperationError) as raised:
            session_of(stage.environment, stage.platform.environment)
        assert "not authorized to perform: sts:AssumeRole" in raised.value.what
        assert DELIVERY in raised.value.fix

    @pytest.mark.parametrize("word", [{}, {"ExternalId": "private-mlops-stage-promote-to-prod"}])
    def test_is_taken_for_the_target_alone(self, word: dict[str, str], stage: Stage) -> None:
        naming = stage.environment.naming
        role = f"arn:aws:iam::{ACCOUNT}:role{naming.iam_path}{naming.promotion('local')}"
        with signed(stage.platform, delivery(stage.platform)):
            sts = boto3.client("sts", region_name="ap-northeast-1")
        with pytest.raises(ClientError, match="AccessDenied"):
            sts.assume_role(RoleArn=role, RoleSessionName="any", **word)
        word = {"ExternalId": naming.promotion("local")}
        assert sts.assume_role(RoleArn=role, RoleSessionName="any", **word)["Credentials"]

    def test_reads_records_models_and_images(self, stage: Stage) -> None:
        s3, ecr = stage.asked("s3"), stage.asked("ecr")
        assert s3.get_object(Bucket=stage.releases, Key=f"records/{ENDPOINT}.yaml")
        assert prefix_digest(s3, stage.artifacts, FILES)
        image = [{"imageDigest": stage.image}]
        repository = stage.environment.naming.repository("iris")
        assert ecr.batch_get_image(repositoryName=repository, imageIds=image)["images"]

    @pytest.mark.parametrize(
        ("bucket", "key"),
        [
            ("releases", f"promotions/{ENDPOINT}.json"),
            ("releases", f"attempts/{ENDPOINT}.json"),
            ("artifacts", "clients/lab/notes.txt"),
        ],
    )
    def test_reads_nothing_else(self, bucket: str, key: str, stage: Stage) -> None:
        with pytest.raises(ClientError, match="AccessDenied"):
            stage.asked("s3").get_object(Bucket=getattr(stage, bucket), Key=key)

    def test_writes_nothing(self, stage: Stage) -> None:
        record = {"Bucket": stage.releases, "Key": f"records/{ENDPOINT}.yaml"}
        with pytest.raises(ClientError, match="AccessDenied"):
            stage.asked("s3").put_object(**record, Body=b"another")
        with pytest.raises(ClientError, match="AccessDenied"):
            stage.asked("ecr").initiate_layer_upload(
                repositoryName=stage.environment.naming.repository("iris")
            )

    def test_hands_on_no_link(self, stage: Stage) -> None:
        record = {"Bucket": stage.releases, "Key": f"records/{ENDPOINT}.yaml"}
        link = stage.asked("s3").generate_presigned_url("get_object", Params=record)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(link, timeout=30)

    def test_others_of_its_account_are_refused_from_here(self, stage: Stage) -> None:
        """The perimeter lets in the role by its name, and no other that may do as much."""
        iam = stage.client("iam")
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": DELIVERY}}
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        iam.create_role(RoleName="reader", AssumeRolePolicyDocument=document(trust))
        iam.put_role_policy(
            RoleName="reader", PolicyName="all", PolicyDocument=document(everything)
        )
        with signed(stage.platform, delivery(stage.platform)):
            sts = boto3.client("sts", region_name="ap-northeast-1")
        role = f"arn:aws:iam::{ACCOUNT}:role/reader"
        given = sts.assume_role(RoleArn=role, RoleSessionName="any")["Credentials"]
        s3 = boto3.client(
            "s3",
            region_name="ap-northeast-1",
            endpoint_url=stage.platform.url,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
        )
        assert s3.get_object(Bucket="templates-of-stage", Key="data.json")
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.get_object(Bucket=stage.releases, Key=f"records/{ENDPOINT}.yaml")


def document(statement: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def promote(stage: Stage, endpoint: str) -> subprocess.CompletedProcess[str]:
    """Run the command as whoever promotes."""
    environment = {
        **stage.platform.program_environment(stage.checkout / "home"),
        **delivery(stage.platform),
        "PYTHONPATH": str(stage.checkout),
    }
    words = ["promote", "--env", "local", "--endpoint", endpoint, "--from", "stage"]
    words += ["--tracking-uri", stage.platform.tracking_uri(), "--login", "ana"]
    return subprocess.run(
        [sys.executable, "-m", "releasing", *words, "--reason", "a test"],
        cwd=stage.checkout,
        env=environment,
        capture_output=True,
        text=True,
    )


def promoted(stage: Stage) -> str:
    """What the command says that succeeds."""
    result = promote(stage, ENDPOINT)
    assert result.returncode == 0, result.stderr or result.stdout
    return result.stdout


@contextmanager
def pulled(digest: str) -> Iterator[None]:
    """The image as this machine would have it: its files, under the digest that was copied.

    Images are installed here from their files, and not unpacked from layers.
    """
    link = STORE / f"iris-{digest.removeprefix('sha256:')[:12]}"
    link.symlink_to(current_image("iris").folder)
    try:
        yield
    finally:
        link.unlink()


def test_an_endpoint_that_nobody_would_release_is_refused(stage: Stage) -> None:
    result = promote(stage, "diabetes")
    assert result.returncode == 1
    assert "'diabetes' is not followed in environments/local.yaml" in result.stderr


def test_what_serves_in_one_account_serves_in_the_other(stage: Stage) -> None:
    platform = stage.platform
    ecr, repository = platform.client("ecr"), platform.environment.naming.repository("iris")
    image = {"repositoryName": repository, "imageIds": [{"imageDigest": stage.image}]}
    with pytest.raises(ClientError, match="ImageNotFoundException"):
        ecr.describe_images(**image)
    followed = Followed(platform, ENDPOINT, promotion_version(platform, ENDPOINT))
    said = promoted(stage)
    assert "layer 2 of 3, 25.0 MB" in said
    with pulled(stage.image):
        attempt = followed.until_settled(lambda _: None, LONGEST).attempt
        assert attempt is not None
        assert attempt.outcome == "served", attempt.reason
        assert ask(platform, ENDPOINT, QUESTION, platform.api_key())["category"]
    # The same bytes, under the same digests, in this account's own repository and bucket.
    there = stage.client("ecr").batch_get_image(
        **{**image, "repositoryName": stage.environment.naming.repository("iris")}
    )
    here = ecr.batch_get_image(**image)
    assert here["images"][0]["imageManifest"] == there["images"][0]["imageManifest"]
    assert ecr.describe_images(**image)["imageDetails"][0]["imageTags"] == [TAG]
    recorded = Records(release_store(platform), "local", Path("none")).current(ENDPOINT)
    assert recorded is not None
    served = recorded.release.only
    bucket = platform.environment.naming.artifact_bucket(platform.environment.account)
    assert (served.image, served.source) == (stage.image, served.source)
    assert str(served.source).startswith(f"s3://{bucket}/{MODELS_PREFIX}/")
    assert served.digest == prefix_digest(stage.client("s3"), stage.artifacts, FILES)
    with platform.logged_in("release") as mlflow:
        version = mlflow.get_model_version_by_alias(MODEL, "champion")
    assert version.tags["release.from"] == f"stage/{MODEL}/31"
    assert attempt.promotion.content.cause == "environment"


def test_a_second_time_nothing_is_copied(stage: Stage) -> None:
    said = promoted(stage)
    assert "layer" not in said
    assert "copying" not in said
    with stage.platform.logged_in("release") as mlflow:
        assert len(mlflow.search_model_versions(f"name='{MODEL}'")) == 1
