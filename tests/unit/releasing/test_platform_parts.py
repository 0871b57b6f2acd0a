"""The parts of a change of the platform by themselves: assemblies, proposals, commands."""

import io
import json
import os
import subprocess
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from diffing.model import Naming
from diffing.naming import from_text
from mlops_constructs import release_builds, release_store
from mlops_constructs.deployment import Deployment
from mlops_constructs.faults import FaultsError
from operations.errors import OperationError
from operations.source import PROPOSED
from releasing.__main__ import DRIFT, PLATFORM_STEPS, STEPS
from releasing.assembly import Assembly
from releasing.handed_on import HANDED_ON, hand_on, take_over
from releasing.platform_change import KEY, PROPOSAL, Proposal, name_proposed, read_proposed
from releasing.platform_deploy import BEGINS
from releasing.proposing import propose
from releasing.services import _compare
from releasing.store import Store
from tests.conftest import ROOT
from tests.unit.releasing.platform_world import PlatformWorld
from tests.unit.releasing.world import ENVIRONMENT, RELEASES

NEEDS = {
    "Api": ["Network", "Data"],
    "Client-databricks": ["ClientAccess-databricks"],
    "ClientAccess-databricks": ["Tracking"],
    "Client-other": ["Network"],
    "Data": ["Network"],
    "Endpoint-b": ["Data"],
    "Endpoint-a": ["Data", "Studio"],
    "Network": [],
    "Release": ["Tracking", "Api"],
    "Studio": ["Data"],
    "Tracking": ["Data"],
}


@pytest.fixture
def assembly(tmp_path: Path) -> Assembly:
    folder = tmp_path / "cdk.out"
    folder.mkdir()
    artifacts: dict[str, Any] = {"Tree": {"type": "cdk:tree"}}
    for stack, needs in NEEDS.items():
        artifacts[f"{stack}.assets"] = {"type": "cdk:asset-manifest"}
        artifacts[stack] = {
            "type": "aws:cloudformation:stack",
            "environment": "aws://111111111111/ap-northeast-1",
            "properties": {"templateFile": f"{stack}.template.json"},
            "dependencies": [f"{stack}.assets", *needs],
        }
        (folder / f"{stack}.template.json").write_text(
            json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
        )
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    return Assembly(folder)


class TestAssembly:
    def test_every_stack_comes_after_what_it_needs_and_release_last(
        self, assembly: Assembly
    ) -> None:
        assert assembly.order(NEEDS) == (
            "Network",
            "Data",
            "Tracking",
            "Api",
            "Studio",
            "Endpoint-a",
            "Endpoint-b",
            "Client-other",
            "ClientAccess-databricks",
            "Client-databricks",
            "Release",
        )

    def test_what_is_needed_comes_first_whatever_it_is(self, assembly: Assembly) -> None:
        path = assembly.folder / "manifest.json"
        manifest = json.loads(path.read_text())
        manifest["artifacts"]["Tracking"]["dependencies"].append("Endpoint-a")
        path.write_text(json.dumps(manifest))
        order = Assembly(assembly.folder).order(())
        assert order.index("Endpoint-a") < order.index("Tracking") < order.index("Release")

    def test_clients_are_there_where_they_are_deployed(self, assembly: Assembly) -> None:
        clients = [it for it in assembly.order({"Client-other"}) if it.startswith("Client")]
        assert clients == ["Client-other"]

    def test_what_is_deployed_of_it_is_compared(self, assembly: Assembly, tmp_path: Path) -> None:
        """By the comparison itself: what is destroyed is found, unless it is named."""
        before, after = tmp_path / "before", tmp_path / "after"
        before.mkdir()
        after.mkdir()
        bucket = {"Type": "AWS::S3::Bucket", "Metadata": {"aws:cdk:path": "Data/Bucket/Resource"}}
        (before / "Data.template.json").write_text(json.dumps({"Resources": {"Bucket": bucket}}))
        assembly.copy(after, ["Network", "Data"])
        assert sorted(it.name for it in after.iterdir()) == [
            "Data.template.json",
            "Network.template.json",
            "manifest.json",
        ]
        found = _compare(ENVIRONMENT, ROOT, before, after, Naming())
        assert [it.path for it in found.refused] == ["Data/Bucket"]
        named = _compare(ENVIRONMENT, ROOT, before, after, Naming({"Data/Bucket": "it is empty"}))
        assert (list(named.refused), len(named.destructive)) == ([], 1)


class TestHandedOn:
    """What the first step of a change hands on to its last."""

    FILES = (
        "cdk.out/manifest.json",
        "cdk.out/Data.template.json",
        "cdk.out/Data.assets.json",
        "cdk.out/asset.1/invoker/handler.py",
        "cdk.out/.hidden",
        "releases/dev/images.yaml",
    )

    @pytest.fixture
    def workspace(self, tmp_path: Path) -> Path:
        folder = tmp_path / "workspace"
        for name in (*self.FILES, "app.py", "build/release.env"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(name)
        return folder

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return PlatformWorld(tmp_path).store

    def test_it_comes_out_as_it_went_in_and_the_app_is_no_part_of_it(
        self, store: Store, workspace: Path, tmp_path: Path
    ) -> None:
        os.utime(workspace / "cdk.out/asset.1/invoker/handler.py", (0, 0))
        taken = tmp_path / "taken"
        (taken / "cdk.out").mkdir(parents=True)
        (taken / "cdk.out/old").touch()
        take_over(store, hand_on(store, workspace), taken)
        found = {str(it.relative_to(taken)): it for it in taken.rglob("*") if it.is_file()}
        assert {name: it.read_text() for name, it in found.items()} == {it: it for it in self.FILES}

    @pytest.mark.parametrize("file", FILES)
    def test_every_file_is_in_its_digest(self, store: Store, workspace: Path, file: str) -> None:
        before = hand_on(store, workspace)
        assert hand_on(store, workspace) == before
        (workspace / file).write_text("another")
        assert hand_on(store, workspace) != before


class FakeS3:
    """Takes what is put."""

    def __init__(self) -> None:
        self.put: dict[str, Any] = {}

    def put_object(self, **given: Any) -> None:
        self.put = given


class TestProposing:
    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        folder = tmp_path / "checkout"
        folder.mkdir()
        (folder / "app.py").write_text("print('app')\n")
        for words in (
            ["init", "--quiet"],
            ["add", "."],
            ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "one"],
        ):
            subprocess.run(["git", *words], cwd=folder, check=True)
        return folder

    def propose(
        self, checkout: Path, request: Path | None = None, allow: list[str] | None = None
    ) -> tuple[Proposal, dict[str, Any]]:
        s3 = FakeS3()
        return propose(ENVIRONMENT, checkout, s3, "ana", "why", request, allow or []), s3.put

    def test_the_checkout_is_put_there_with_what_it_is(self, checkout: Path) -> None:
        proposal, put = self.propose(checkout)
        head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=checkout, text=True)
        assert proposal == Proposal(commit=head.strip(), changed=False, by="ana", reason="why")
        assert (put["Bucket"], put["Key"]) == (RELEASES, PROPOSED)
        with zipfile.ZipFile(io.BytesIO(put["Body"])) as archive:
            assert archive.namelist() == ["app.py", PROPOSAL]
            assert Proposal.model_validate_json(archive.read(PROPOSAL)) == proposal

    def test_what_differs_from_its_commit_is_said(self, checkout: Path) -> None:
        (checkout / "new").touch()
        proposal, _ = self.propose(checkout)
        assert proposal.changed
        assert "with changes by ana (why)" in proposal.summary

    def test_the_same_proposal_is_the_same_object(self, checkout: Path) -> None:
        assert self.propose(checkout) == self.propose(checkout)

    def test_what_is_named_is_taken_from_a_request_and_from_options(self, checkout: Path) -> None:
        request = checkout.parent / "request"
        request.write_text("It moves.\n\n* allow-destroy: `Data/A`: a dump: is there\n")
        proposal, _ = self.propose(checkout, request, ["Data/B=nobody = reads it"])
        reasons = {"Data/A": "a dump: is there", "Data/B": "nobody = reads it"}
        assert from_text(proposal.request).reasons == reasons
        assert "It moves" not in proposal.request

    @pytest.mark.parametrize(
        ("request_text", "allow"), [("allow-destroy: Data/A", []), (None, []), ("", ["Data/A"])]
    )
    def test_what_cannot_be_read_is_not_proposed(
        self, checkout: Path, request_text: str | None, allow: list[str]
    ) -> None:
        request = checkout.parent / "request"
        if request_text is not None:
            request.write_text(request_text)
        with pytest.raises(FaultsError, match="what is named"):
            self.propose(checkout, request, allow)

    def test_a_reason_that_is_too_long_is_not_proposed(self, checkout: Path) -> None:
        s3 = FakeS3()
        with pytest.raises(FaultsError, match="2001 letters"):
            propose(ENVIRONMENT, checkout, s3, "ana", "x" * 2_001, None, [])
        assert s3.put == {}

    def test_what_is_no_checkout_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(OperationError, match="use a clone"):
            self.propose(tmp_path)


class TestProposed:
    def test_none(self, tmp_path: Path) -> None:
        with pytest.raises(OperationError, match="There is no proposal at s3://"):
            read_proposed(PlatformWorld(tmp_path).store)

    def test_one_that_is_gone(self, tmp_path: Path) -> None:
        world = PlatformWorld(tmp_path)
        world.propose("second")
        with pytest.raises(OperationError, match="no proposal of version 'x'"):
            read_proposed(world.store, "x")

    @pytest.mark.parametrize("content", [None, b"{}", b"no json"])
    def test_one_that_does_not_say_what_it_is(self, tmp_path: Path, content: bytes | None) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            if content is not None:
                archive.writestr(PROPOSAL, content)
        world = PlatformWorld(tmp_path)
        world.s3.write(RELEASES, PROPOSED, packed.getvalue())
        with pytest.raises(OperationError, match="does not say what it is"):
            read_proposed(world.store)

    @pytest.mark.parametrize("field", ["commit", "by", "reason"])
    def test_one_that_says_too_much(self, tmp_path: Path, field: str) -> None:
        said = {"commit": "a", "changed": False, "by": "ana", field: "x" * 2_001}
        world = PlatformWorld(tmp_path)
        world.s3.write(RELEASES, PROPOSED, self.packed(json.dumps(said).encode()))
        with pytest.raises(OperationError, match=f"(?s)does not say what it is: .*{field}"):
            read_proposed(world.store)
        named = name_proposed(world.store)
        assert (named.content.commit, len(named.content.reason) <= 2_000) == ("unknown", True)

    @pytest.mark.parametrize("claimed", [None, 100])
    def test_one_that_unpacks_to_too_much(self, tmp_path: Path, claimed: int | None) -> None:
        """Whatever it claims of itself, and though it is small as it is packed."""
        said = {"commit": "a", "changed": False, "by": "ana"}
        content = bytearray(self.packed(json.dumps(said).encode() + b" " * 50_000_000))
        if claimed is not None:
            for header, place in ((0, 22), (content.index(b"PK\x01\x02"), 24)):
                content[header + place : header + place + 4] = claimed.to_bytes(4, "little")
        world = PlatformWorld(tmp_path)
        world.s3.write(RELEASES, PROPOSED, bytes(content))
        tracemalloc.start()
        with pytest.raises(OperationError, match="does not say what it is"):
            read_proposed(world.store)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
        tracemalloc.stop()

    def test_one_whose_method_is_another(self, tmp_path: Path) -> None:
        said = {"commit": "a", "changed": False, "by": "ana"}
        world = PlatformWorld(tmp_path)
        packed = self.packed(json.dumps(said).encode(), zipfile.ZIP_BZIP2)
        world.s3.write(RELEASES, PROPOSED, packed)
        with pytest.raises(OperationError, match="is compressed by the method 12"):
            read_proposed(world.store)

    def packed(self, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
        """A zip of a file that says what is proposed."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", method) as archive:
            archive.writestr(PROPOSAL, content)
        return packed.getvalue()

    @pytest.mark.parametrize(("place", "number"), [(6, 1), (8, 97)], ids=["password", "method"])
    def test_one_that_no_program_here_opens(self, tmp_path: Path, place: int, number: int) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(PROPOSAL, b"{}")
        content = bytearray(packed.getvalue())
        # The same field of both of its headers, of which the second has two bytes more before it.
        for header in (0, content.index(b"PK\x01\x02") + 2):
            content[header + place] = number
        world = PlatformWorld(tmp_path)
        world.s3.write(RELEASES, PROPOSED, bytes(content))
        with pytest.raises(OperationError, match="does not say what it is"):
            read_proposed(world.store)


def test_the_stack_says_the_same_of_places_and_steps() -> None:
    assert PROPOSED == release_store.PROPOSED
    assert KEY.startswith(release_store.PLATFORM)
    assert HANDED_ON == release_store.HANDED_ON
    assert {*STEPS, *PLATFORM_STEPS, DRIFT} == set(release_builds.STEPS)


def test_what_is_begun_last_has_the_time_to_end_in_its_build() -> None:
    """SageMaker ends a canary that takes longer, where an endpoint says no other times."""
    assert BEGINS + Deployment().longest("canary") < release_builds.MINUTES * 60
