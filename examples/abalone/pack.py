"""Pack the three models into archives, one a container.

Batch transform and serverless endpoints take a model as `.tar.gz` alone, and no prefix:
<https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ContainerDefinition.html>

    python -m examples.abalone.pack build/abalone/models build/abalone/archives
"""

import gzip
import sys
import tarfile
from pathlib import Path

from examples.abalone.publish import MODELS


def pack(models: Path, target: Path) -> list[Path]:
    """Write `<container>.tar.gz` for each container: the same bytes for the same files.

    Parameters
    ----------
    models
        The folder that `train` wrote.
    target
        Where to.

    Returns
    -------
    list of pathlib.Path
        The archives, in the order of the pipeline.
    """
    target.mkdir(parents=True, exist_ok=True)
    archives = []
    for part in MODELS:
        archive = target / f"{part}.tar.gz"
        with (
            archive.open("wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            for path in sorted((models / part).rglob("*")):
                tar.add(path, path.relative_to(models / part), recursive=False, filter=_plain)
        archives.append(archive)
    return archives


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """An entry without whose it is and from when."""
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    for archive in pack(Path(sys.argv[1]), Path(sys.argv[2])):
        print(archive)
