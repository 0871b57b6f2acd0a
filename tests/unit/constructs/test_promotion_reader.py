from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk.assertions import Template

from mlops_constructs.image_repository import ImageRepository
from mlops_constructs.promotion_reader import PromotionReader
from tests.unit.constructs.conftest import Bench

Statements = Callable[[Template], list[dict[str, Any]]]
DELIVERY = "arn:aws:iam::222222222222:role/delivery"
OTHER = "arn:aws:iam::222222222222:role/ci/other"
ROLE = "arn:aws:iam::123456789012:role/mlops/blue/mlops-blue-promote-to-green"


def reader(bench: Bench, *readers: str, images: tuple[str, ...] = ("iris",)) -> PromotionReader:
    return PromotionReader(
        bench.stack,
        "Reader",
        naming=bench.naming,
        target="green",
        readers=readers,
        releases=bench.releases(),
        artifacts=bench.artifacts(),
        images=[
            ImageRepository(
                bench.neighbours, image.title(), naming=bench.naming, image=image, key=bench.key
            )
            for image in images
        ],
    )


def trust(bench: Bench) -> list[dict[str, Any]]:
    (role,) = bench.template().find_resources("AWS::IAM::Role").values()
    found: list[dict[str, Any]] = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    return found


class TestDefault:
    def test_one_role_of_elsewhere_takes_it_and_says_what_for(self, bench: Bench) -> None:
        reader(bench, DELIVERY)
        assert trust(bench) == [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"AWS": DELIVERY},
                "Condition": {"StringEquals": {"sts:ExternalId": "mlops-blue-promote-to-green"}},
            }
        ]

    def test_its_arn_is_known_without_asking(self, bench: Bench) -> None:
        reader(bench, DELIVERY)
        (role,) = bench.template().find_resources("AWS::IAM::Role").values()
        name, path = role["Properties"]["RoleName"], role["Properties"]["Path"]
        assert f"arn:aws:iam::123456789012:role{path}{name}" == ROLE
        assert PromotionReader.role_arn(bench.stack, bench.naming, "green") == ROLE

    def test_reads_and_nothing_else(self, bench: Bench, statements: Statements) -> None:
        reader(bench, DELIVERY)
        found = statements(bench.template())
        given = [it["Action"] for it in found]
        actions = [it for each in given for it in ([each] if isinstance(each, str) else each)]
        assert sorted(set(actions)) == [
            "ecr:BatchGetImage",
            "ecr:DescribeImages",
            "ecr:GetDownloadUrlForLayer",
            "kms:Decrypt",
            "s3:GetObject",
            "s3:ListBucket",
        ]
        assert {it["Effect"] for it in found} == {"Allow"}
        assert "*" not in [it["Resource"] for it in found]

    def test_of_the_buckets_records_and_models_alone(
        self, bench: Bench, statements: Statements
    ) -> None:
        reader(bench, DELIVERY)
        found = statements(bench.template())
        (objects,) = [it["Resource"] for it in found if it["Action"] == "s3:GetObject"]
        assert sorted(objects) == [
            "arn:aws:s3:::mlops-blue-artifacts-123456789012/mlflow/*",
            "arn:aws:s3:::mlops-blue-releases-123456789012/records/*",
        ]
        for statement in found:
            if statement["Action"] == "kms:Decrypt":
                through = {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}
                assert statement["Condition"] == {"StringEquals": through}

    def test_the_stacks_stay_in_order(self, bench: Bench) -> None:
        reader(bench, DELIVERY)
        Template.from_stack(bench.neighbours)  # no arrow back: this would raise


class TestCustom:
    def test_each_of_several_has_to_say_what_for(self, bench: Bench) -> None:
        reader(bench, DELIVERY, OTHER)
        (statement,) = trust(bench)
        assert statement["Principal"] == {"AWS": [OTHER, DELIVERY]}
        assert "sts:ExternalId" in statement["Condition"]["StringEquals"]

    @pytest.mark.parametrize("images", [(), ("iris", "rose")])
    def test_copies_the_images_it_is_given(
        self, images: tuple[str, ...], bench: Bench, statements: Statements
    ) -> None:
        reader(bench, DELIVERY, images=images)
        found = [it for it in statements(bench.template()) if "ecr:" in str(it["Action"])]
        assert [len(it["Resource"]) for it in found] == ([len(images)] if images else [])
