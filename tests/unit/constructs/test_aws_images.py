import pytest

from mlops_constructs.aws_images import FRAMEWORKS, AwsImage


@pytest.mark.parametrize(
    ("image", "region", "instance", "address"),
    [
        (
            AwsImage("xgboost", "1.7-1"),
            "ap-northeast-1",
            "ml.m5.large",
            "354813040037.dkr.ecr.ap-northeast-1.amazonaws.com/sagemaker-xgboost:1.7-1",
        ),
        (
            AwsImage("sklearn", "1.2-1"),
            "eu-west-1",
            "ml.m5.large",
            "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
        ),
        (
            AwsImage("pytorch", "2.6.0"),
            "us-east-1",
            "ml.g5.xlarge",
            "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.6.0-gpu-py312",
        ),
        (
            AwsImage("tensorflow", "2.19.0"),
            "cn-north-1",
            "",
            "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/tensorflow-inference:2.19.0-cpu",
        ),
    ],
)
def test_an_address_is_the_regions(
    image: AwsImage, region: str, instance: str, address: str
) -> None:
    assert image.faults("image", region, instance) == []
    assert image.address(region, instance) == address


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_account_is_one(framework: str) -> None:
    accounts = FRAMEWORKS[framework].accounts
    assert all(len(account) == 12 and account.isdigit() for account in accounts.values())


@pytest.mark.parametrize(
    ("image", "region", "instance", "said"),
    [
        (AwsImage("caffe", "1.0"), "eu-west-1", "", "sparkml-serving"),
        (AwsImage("xgboost", "1.7"), "eu-west-1", "", "xgboost 1.3-1, 1.5-1, 1.7-1"),
        (AwsImage("sparkml-serving", "3.3"), "eu-south-2", "", "AWS has none of it there"),
        (AwsImage("xgboost", "1.7-1"), "eu-west-1", "ml.m7g.large", "Intel or AMD"),
        (AwsImage("pytorch", "2.6.0"), "eu-west-1", "ml.inf2.xlarge", "Intel or AMD"),
        (AwsImage("pytorch", "2.6.0"), "eu-west-1", "ml.g5g.xlarge", "Intel or AMD"),
    ],
)
def test_what_there_is_none_of(image: AwsImage, region: str, instance: str, said: str) -> None:
    (fault,) = image.faults("image", region, instance)
    assert said in str(fault)


def test_every_fault_at_once() -> None:
    image = AwsImage("sparkml-serving", "2.0")
    assert len(image.faults("image", "eu-south-2", "ml.c7g.large")) == 3
