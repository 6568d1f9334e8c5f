"""Programs that only the benchmark uses, and how it installs them.

Guarantee: packages go into the benchmark's own environment, programs come from the system's package manager if we may
use it; nothing is added to the project's environment. Limit: without a network or the rights they are missing, and
`ContenderError` names them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from scripts.benchmarks.measuring import ContenderError

TOOLS = Path(__file__).parents[2] / ".benchmark-tools"
PACKAGES = ("scrapy==2.19.0", "pymupdf==2.0")
_READY = TOOLS / f".{'-'.join(PACKAGES)}"


@cache
def program(name: str, package: str) -> str:
    """The path of a program, which is installed if it is missing. Raises ContenderError."""
    found = shutil.which(name)
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        _quietly(["apt-get", "update", "-q"])
        _quietly(["apt-get", "install", "-q", "-y", "--no-install-recommends", package])
        found = shutil.which(name)
    if found is None:
        raise ContenderError(f"{name} is missing and could not be installed (package {package})")
    return found


@cache
def tools_python() -> Path:
    """The interpreter of an environment with the packages. Raises ContenderError."""
    python = TOOLS / "bin" / "python"
    if not _READY.exists():
        made = _quietly([sys.executable, "-m", "venv", "--clear", TOOLS])
        if not made or not _quietly([python, "-m", "pip", "install", "--quiet", *PACKAGES]):
            raise ContenderError(f"{' and '.join(PACKAGES)} could not be installed into {TOOLS}")
        _READY.touch()
    return python


def _quietly(command: list[str | Path]) -> bool:
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
