import pytest

from mlops_constructs.faults import Fault, FaultsError, raise_faults


def test_every_fault_is_in_the_message() -> None:
    first = Fault("a.b", "1", "2", "Write 2.", 7)
    second = Fault("c", "x", "y", "Write y.")
    with pytest.raises(FaultsError) as raised:
        raise_faults("file.yaml", [first, second])
    assert str(raised.value) == (
        "file.yaml: 2 faults.\n\n"
        "a.b (line 7)\n  given:   1\n  allowed: 2\n  fix:     Write 2.\n\n"
        "c\n  given:   x\n  allowed: y\n  fix:     Write y."
    )


def test_no_fault_raises_nothing() -> None:
    raise_faults("file.yaml", [])


def test_an_error_without_a_fault_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="at least one"):
        FaultsError("file.yaml", [])
