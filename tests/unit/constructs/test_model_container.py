from mlops_constructs.model_container import ModelFiles


def test_an_archive_is_known_by_its_ending() -> None:
    assert ModelFiles("m/model.tar.gz", "").packed
    assert not ModelFiles("m/", "").packed
