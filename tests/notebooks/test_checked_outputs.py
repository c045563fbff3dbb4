"""nbval: every notebook runs on the demo shop, and what its prose quotes comes out as it stands in the file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.report.collection import Notebook, all_notebooks
from helpers.report.kernels import write_kernelspec
from helpers.study import ROOT
from tests.demo import ready_demo

OPTIONS = ["-p", "nbval.plugin", "-o", "addopts=", "-o", "filterwarnings=default", "-q", "--nbval-lax"]


@pytest.mark.notebooks
@pytest.mark.parametrize("notebook", all_notebooks(), ids=lambda n: n.name)
def test_checked_outputs_come_out_as_they_stand(notebook: Notebook, kernels: None, tmp_path: Path) -> None:
    ready_demo()
    # a python3 of our own, so that no other kernel of this machine is taken
    write_kernelspec(tmp_path / "kernels", tmp_path / "results", jobs=2, name="python3")
    command = [sys.executable, "-m", "pytest", *OPTIONS, "--nbval-cell-timeout", "300", str(notebook.path)]
    # nbval is the only plugin: the others would be imported anew for every notebook
    environment = os.environ | {"JUPYTER_PATH": str(tmp_path), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment |= {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-4000:]
