import pytest
from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_s3 as s3

from mlops_constructs.sites import Site, site_of
from tests.unit.constructs.conftest import ACCOUNT, REGION, Bench


def test_a_construct_stands_where_its_stack_is_deployed(bench: Bench) -> None:
    site = site_of(bench.role())
    assert site == Site("aws", REGION, ACCOUNT, "hnb659fds")
    assert site_of(bench.stack) is site


def test_a_neighbour_of_another_stack_stands_there(bench: Bench) -> None:
    elsewhere = Stack(bench.stack, "Elsewhere", env={"account": ACCOUNT, "region": "eu-west-3"})
    assert site_of(s3.Bucket(elsewhere, "Bucket")).region == "eu-west-3"


@pytest.mark.parametrize("region", [None, "", "us-east-1"])
@pytest.mark.parametrize("account", [None, "", "210987654321"])
@pytest.mark.parametrize(
    "separator", [ArnFormat.SLASH_RESOURCE_NAME, ArnFormat.COLON_RESOURCE_NAME]
)
def test_an_arn_is_the_one_that_the_cdk_formats(
    region: str | None, account: str | None, separator: ArnFormat, bench: Bench
) -> None:
    mark = "/" if separator is ArnFormat.SLASH_RESOURCE_NAME else ":"
    assert site_of(bench.stack).arn(
        "ecr", f"repository{mark}a", region=region, account=account
    ) == bench.stack.format_arn(
        service="ecr",
        resource="repository",
        resource_name="a",
        region=region,
        account=account,
        arn_format=separator,
    )


def test_a_bucket_stands_in_no_region_and_no_account(bench: Bench) -> None:
    assert site_of(bench.stack).bucket_arn("models") == "arn:aws:s3:::models"


def test_where_a_stack_is_deployed_anywhere_its_arns_are_put_together_there(
    bench: Bench,
) -> None:
    nowhere = Stack(bench.stack.node.root, "Nowhere")  # type: ignore[arg-type]
    assert nowhere.resolve(site_of(nowhere).arn("sns", "a")) == nowhere.resolve(
        nowhere.format_arn(service="sns", resource="a")
    )
