"""Memory and connections of instance classes, held against what has been found in accounts."""

import pytest

from mlops_constructs.database_class import connections, has_insights, memory


@pytest.mark.parametrize(
    ("instance", "gib"),
    [
        ("db.t3.micro", 1),
        ("db.t4g.small", 2),
        ("db.t4g.2xlarge", 32),
        ("db.m5.large", 8),
        ("db.m7g.xlarge", 16),
        ("db.m6i.24xlarge", 384),
        ("db.m6gd.16xlarge", 256),
        ("db.r6g.large", 16),
        ("db.r8g.48xlarge", 1536),
        ("db.x2g.large", None),
        ("db.m5.huge", None),
        ("m5.large", None),
    ],
)
def test_memory(instance: str, gib: int | None) -> None:
    assert memory(instance) == gib


@pytest.mark.parametrize(("gib", "found"), [(1, 66), (2, 150), (4, 312), (8, 648), (16, 1320)])
def test_connections_are_no_more_than_an_instance_was_found_to_accept(gib: int, found: int) -> None:
    assert 0.88 * found <= connections(gib) <= found


@pytest.mark.parametrize(
    ("instance", "told"),
    [
        ("db.t4g.micro", False),
        ("db.t3.small", False),
        ("db.t3.medium", True),
        ("db.m7g.large", True),
    ],
)
def test_insights(instance: str, told: bool) -> None:
    assert has_insights(instance) is told
