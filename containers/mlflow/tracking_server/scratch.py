"""Temporary files of a process that was killed, which nobody else would remove.

A process keeps a file in a temporary folder while it receives or sends it, and removes it
afterwards. One that is killed, as where memory is short, cannot; another takes its place in the
same task, and the volume would fill up.
"""

import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "process-"


def use_own_folder(parent: Path) -> Path:
    """Have this process keep its temporary files apart, and remove those of processes that ended.

    Parameters
    ----------
    parent
        Where the folders of all processes are.

    Returns
    -------
    pathlib.Path
        This process's own.
    """
    own = parent / f"{PREFIX}{os.getpid()}"
    for folder in parent.glob(f"{PREFIX}*"):
        if folder == own or not _runs(int(folder.name.removeprefix(PREFIX))):
            # Another process that starts may be removing it too.
            shutil.rmtree(folder, ignore_errors=True)
    own.mkdir(0o700)
    # https://docs.python.org/3/library/tempfile.html#tempfile.tempdir
    tempfile.tempdir = str(own)
    return own


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's, and no process of this server
    return True
