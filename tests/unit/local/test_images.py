import subprocess
import tomllib
from pathlib import Path

import pytest

from local import images
from local.images import ProcessImage, current_image, find_image, install_image
from operations.errors import OperationError


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(images, "STORE", tmp_path / "store")
    monkeypatch.setattr(images, "CONTAINERS", tmp_path / "containers")
    folder = tmp_path / "containers" / "tool"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "requirements.lock").touch()
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "tool"\nversion = "1"\n[project.scripts]\ntool = "tool:main"\n'
        "[tool.setuptools]\npy-modules = ['tool']\n"
    )
    (folder / "tool.py").write_text("def main(): print('ran')\n")
    return tmp_path


def test_a_digest_follows_the_content(store: Path) -> None:
    first = current_image("tool")
    (store / "containers" / "tool" / "tool.py").write_text("def main(): print('other')\n")
    assert current_image("tool").digest != first.digest


def test_a_stack_finds_the_image_that_it_names(store: Path) -> None:
    image = current_image("tool")
    image.folder.mkdir(parents=True)
    (image.folder / "installed").touch()
    found = find_image(f"registry.test/mlops/local/tool@{image.digest}")
    assert found == image


@pytest.mark.parametrize("reference", ["r/tool", "r/tool:tag", f"r/tool@sha256:{'0' * 64}"])
def test_what_is_not_installed_cannot_be_pulled(reference: str, store: Path) -> None:
    with pytest.raises(OperationError, match="CannotPullContainerError"):
        find_image(reference)


def test_an_image_without_a_dockerfile_is_none(store: Path) -> None:
    with pytest.raises(OperationError, match="no containers/rose/Dockerfile"):
        current_image("rose")


def test_a_command_is_a_program_of_the_image(store: Path) -> None:
    image = ProcessImage("tool", f"sha256:{'1' * 64}")
    (image.folder / "bin").mkdir(parents=True)
    (image.folder / "bin" / "serve").touch()
    assert image.command(["serve", "-v"]) == [str(image.folder / "bin" / "serve"), "-v"]
    with pytest.raises(OperationError, match="no program 'train'"):
        image.command(["train"])


def test_an_installation_that_fails_is_said_and_starts_anew(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = store / "bin"
    folder.mkdir()
    (folder / "uv").write_text("#!/bin/sh\necho 'no such version' >&2; exit 2\n")
    (folder / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    with pytest.raises(OperationError, match="no such version"):
        install_image("tool")
    assert not current_image("tool").installed


@pytest.mark.parametrize("status", [0, 1])
def test_an_image_is_finished_by_its_own_program(
    status: int, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As its Dockerfile does, when all is installed."""
    folder = store / "bin"
    folder.mkdir()
    finish = folder / "finish-image"
    finish.write_text(
        f"#!/bin/sh\ntouch {store}/finished; echo 'no such file' >&2; exit {status}\n"
    )
    # The last word of the first command is the folder of the environment.
    (folder / "uv").write_text(
        '#!/bin/sh\nfor last; do :; done\nif [ "$2" = venv ]; then mkdir -p "$last/bin"; fi\n'
        f'if [ "$2" = venv ]; then cp -p {finish} "$last/bin"; fi\n'
    )
    for program in (finish, folder / "uv"):
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    if status:
        with pytest.raises(OperationError, match="'finish-image' failed: no such file"):
            install_image("tool")
    else:
        install_image("tool")
    assert (store / "finished").is_file()
    assert current_image("tool").installed is (status == 0)


def test_the_programs_of_an_image_take_the_place_of_its_libraries(store: Path) -> None:
    image, library = (store / "containers" / name for name in ("tool", "library"))
    library.mkdir()
    for name in ("pyproject.toml", "tool.py"):
        (library / name).write_text((image / name).read_text().replace("tool:", "other:"))
    (library / "tool.py").rename(library / "other.py")
    (library / "other.py").write_text("def main(): print('the library ran')\n")
    project = (library / "pyproject.toml").read_text()
    project = project.replace('name = "tool"', 'name = "other"').replace("['tool']", "['other']")
    (library / "pyproject.toml").write_text(project)
    with (image / "pyproject.toml").open("a") as file:
        file.write('[tool.images]\nlibraries = ["library"]\n')
    installed = install_image("tool")
    for code in ("import other, tool", "import runpy; runpy.run_path('bin/tool', {}, '__main__')"):
        words = [str(installed.folder / "bin" / "python"), "-c", code]
        ran = subprocess.run(words, cwd=installed.folder, capture_output=True, text=True)
    assert ran.stdout == "ran\n", ran.stderr


def test_a_dockerfile_and_an_installation_run_the_same_program() -> None:
    """Of every image that has one."""
    for project in images.CONTAINERS.glob("*/pyproject.toml"):
        scripts = tomllib.loads(project.read_text())["project"]["scripts"]
        dockerfile = (project.parent / "Dockerfile").read_text()
        assert (images.FINISH in scripts) == (f"/bin/{images.FINISH}" in dockerfile)
