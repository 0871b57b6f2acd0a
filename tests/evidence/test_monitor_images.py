"""The accounts of AWS's image that monitors, against those of AWS's own library."""

import json
import subprocess
import sys
from pathlib import Path

from mlops_constructs.monitor_images import ACCOUNTS, REPOSITORY

LIBRARY = "sagemaker-core==2.27.0"
ELSEWHERE = ("cn-", "us-gov-", "us-iso")
"""Regions of partitions that the platform is not for."""


def test_the_accounts_are_those_of_the_library(tmp_path: Path) -> None:
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*install, str(tmp_path), LIBRARY], check=True)
    (path,) = tmp_path.rglob("image_uri_config/model-monitor.json")
    (version,) = json.loads(path.read_text())["versions"].values()
    known = {
        region: account
        for region, account in version["registries"].items()
        if not region.startswith(ELSEWHERE)
    }
    assert (known, version["repository"]) == (dict(ACCOUNTS), REPOSITORY)
