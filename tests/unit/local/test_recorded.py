from local.extensions.recorded import Recorded


def test_an_id_is_found_and_kept() -> None:
    recorded = Recorded("Arn")
    made = recorded.create("Selection", {}, "stack")
    assert made.attributes == {"Arn": made.physical_id}
    changed = recorded.update(made.physical_id, {}, {"a": 1}, "stack", "Selection")
    assert changed == made
    assert recorded.create("Selection", {}, "other").physical_id != made.physical_id
