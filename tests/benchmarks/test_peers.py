import importlib.metadata
import subprocess
import sys

import pytest

from benchmarks import peers
from benchmarks.worker import Absent


@pytest.fixture
def environment(tmp_path):
    """An environment whose pip only writes down what it is asked, and fails where a file says so."""
    folder = tmp_path / "peers"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "pip").touch()
    python = folder / "bin" / "python"
    python.write_text(
        "#!/bin/sh\n"
        f'if [ "$1" = -c ]; then exec {sys.executable} "$@"; fi\n'
        f'echo "$*" >> {tmp_path}/asked\n'
        f"if [ -e {tmp_path}/offline ]; then echo 'ERROR: No matching distribution' >&2; exit 1; fi\n"
    )
    python.chmod(0o755)
    return folder


def asked(tmp_path):
    path = tmp_path / "asked"
    return path.read_text().splitlines() if path.exists() else []


def test_only_what_is_missing_is_installed(environment, tmp_path):
    said = []
    packages = {"jax": importlib.metadata.version("jax"), "torch": "2.14.1"}
    assert peers.peer_python(packages, said.append, environment) == environment / "bin" / "python"
    (command,) = asked(tmp_path)
    assert command.endswith(" torch==2.14.1")
    assert said == ["installing torch==2.14.1 into peers"]


def test_nothing_is_installed_where_all_is_there(environment, tmp_path):
    said = []
    peers.peer_python({"jax": importlib.metadata.version("jax")}, said.append, environment)
    assert asked(tmp_path) == said == []


def test_another_version_is_replaced(environment, tmp_path):
    peers.peer_python({"jax": "0.0.1"}, print, environment)
    assert asked(tmp_path)[0].endswith(" jax==0.0.1")


def test_what_cannot_be_installed_is_absent(environment, tmp_path):
    (tmp_path / "offline").touch()
    with pytest.raises(Absent, match=r"cannot install torch==2\.14\.1: ERROR: No matching distribution"):
        peers.peer_python({"torch": "2.14.1"}, print, environment)


def test_a_directory_that_cannot_be_made_is_absent(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Absent, match=r"cannot make \.venv-peers"):
        peers.peer_python({}, print, tmp_path / "file" / "peers")


@pytest.mark.parametrize(
    "module", ["worker", "keras_peer", "torch_peer", "torch_loaders", "tensorflow_loader", "decoders"]
)
def test_what_peers_run_needs_nothing_of_the_project(module):
    """Their environment has neither flax nor what this project imports."""
    program = f"""
import sys, types
class Hollow(types.ModuleType):
    def __getattr__(self, name):
        return lambda *args, **kwargs: self
for name in (
    "PIL", "jax", "keras", "tensorflow", "timm", "timm.data",
    "torch", "torch.nn", "torch.nn.functional", "torchvision",
):
    sys.modules[name] = Hollow(name)
sys.modules["flax"] = sys.modules["inception_jax"] = None
import benchmarks.{module}
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=peers.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
