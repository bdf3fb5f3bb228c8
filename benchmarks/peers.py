"""The peers' environment, `.venv-peers` beside the project's own: made once, and only what is missing is installed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

from benchmarks.process import ROOT
from benchmarks.worker import Absent

# Beside TensorFlow what `imagecodecs` takes to be tried.
TENSORFLOW = {"tensorflow_cpu": "2.21.0", "imagecodecs": "2026.3.6", "opencv-python-headless": "5.0.0.93"}
TORCH = {"torch": "2.14.1", "torchvision": "0.29.1", "timm": "1.0.31"}
# Keras runs on the very JAX that the project runs on.
KERAS = {"keras": "3.15.1", **{name: metadata.version(name) for name in ("jax", "jaxlib")}}

_VERSIONS = """
import json, sys
from importlib import metadata
print(json.dumps({d.metadata["Name"].lower(): d.version.split("+")[0] for d in metadata.distributions()}))
"""


def peer_python(
    packages: Mapping[str, str], say: Callable[[str], None], directory: Path = ROOT / ".venv-peers"
) -> Path:
    """The interpreter of an environment that has `packages`, name to version.

    Args:
      packages: what must be there.
      say: is told before something is installed, which can take minutes.
      directory: of the environment.

    Raises:
      Absent: they cannot be installed.
    """
    python = directory / "bin" / "python"
    if not (directory / "bin" / "pip").exists():
        _run("make .venv-peers", [sys.executable, "-m", "venv", str(directory)])
    installed = json.loads(_run("look into .venv-peers", [str(python), "-c", _VERSIONS]))
    missing = [f"{name}=={version}" for name, version in packages.items() if installed.get(name) != version]
    if missing:
        say(f"installing {' '.join(missing)} into {directory.name}")
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run(f"install {' '.join(missing)}", [*pip, *missing])
    return python


def _run(what: str, command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise Absent(f"cannot {what}: {lines[-1].strip() if lines else f'exit code {done.returncode}'}")
    return done.stdout
