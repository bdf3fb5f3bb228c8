"""The files that make the environment: pyproject.toml, constraints.txt, Makefile and .ci/run."""

import os
import platform
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
PYTHONS = ["3.11", "3.12", "3.13"]


def locked(python: str) -> dict[str, Version]:
    pins: dict[str, Version] = {}
    for pin in LOCK:
        if pin.marker is None or pin.marker.evaluate({"python_version": python, "python_full_version": f"{python}.0"}):
            name = canonicalize_name(pin.name)
            assert name not in pins, f"{name} is pinned twice for Python {python}"
            (exact,) = pin.specifier
            assert exact.operator == "=="
            pins[name] = Version(exact.version)
    return pins


@pytest.mark.parametrize("file", ["constraints.txt", "pyproject.toml", "Makefile", ".ci/run"])
def test_installation_names_no_host_and_no_machine(file):
    text = (ROOT / file).read_text()
    assert not re.search(r"\w+://|--(extra-)?index-url|--find-links|(^|[\s'\"=])/(?!bin/sh|dev/null)\w+/", text)


def declared() -> list[Requirement]:
    """What `pip install '.[test]'` asks for, the project's other extras in place of their names."""
    extras = PROJECT["optional-dependencies"]
    found = [Requirement(text) for text in PROJECT["dependencies"] + extras["test"]]
    own = [requirement for requirement in found if requirement.name == PROJECT["name"]]
    return [requirement for requirement in found if requirement not in own] + [
        Requirement(text) for requirement in own for extra in sorted(requirement.extras) for text in extras[extra]
    ]


@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_is_locked_to_a_version_it_allows(python):
    pins = locked(python)
    for requirement in declared():
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_everything_that_the_environment_needs_is_locked_and_nothing_else():
    """Walks what is installed, from the project's own needs through those of each package, extras included."""
    needed: set[str] = set()
    seen: set[tuple[str, str]] = set()
    queue = [each for each in declared() if each.marker is None or each.marker.evaluate()]
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        needed.add(name)
        for extra in ["", *requirement.extras]:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for text in metadata.requires(name) or []:
                child = Requirement(text)
                if child.marker is None or child.marker.evaluate({"extra": extra}):
                    queue.append(child)
    assert needed == set(locked(".".join(platform.python_version_tuple()[:2])))


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False
    )


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_ci_runs_make_test_and_fails_when_it_fails(tmp_path):
    script(tmp_path / "make", f'echo "$PWD make $*" > {tmp_path}/called; exit 7')
    result = run(".ci/run", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert result.returncode == 7
    assert (tmp_path / "called").read_text() == f"{ROOT} make test\n"


def test_an_old_python_is_refused_before_anything_is_made(tmp_path):
    old = script(tmp_path / "old", 'case "$1" in -c) exit 1;; --version) echo Python 3.10.4;; *) touch "$3";; esac')
    result = run("make", f"PYTHON={old}", f"VENV={tmp_path}/venv", "quickstart")
    assert result.returncode != 0
    assert "needs Python 3.11 or newer" in result.stderr
    assert "Python 3.10.4; name another: make PYTHON=python3.12 quickstart" in result.stderr
    assert not (tmp_path / "venv").exists()


def test_an_environment_is_installed_once(tmp_path):
    """With stand-ins for Python and pip that log what they are asked."""
    log = tmp_path / "log"
    for program in ("pip", "inception-jax"):
        script(tmp_path / program, f'echo "{program} $*" >> {log}')
    copy = f'mkdir -p "$3/bin"; cp {tmp_path}/pip {tmp_path}/inception-jax "$3/bin"'
    python = script(tmp_path / "python", f'if [ "$1" = -m ]; then {copy}; fi')
    for _ in range(2):
        result = run("make", f"PYTHON={python}", f"VENV={tmp_path}/venv", "quickstart")
        assert result.returncode == 0, result.stderr
    calls = log.read_text().splitlines()
    assert sum(call.startswith("pip") for call in calls) == 1
    assert "--constraint constraints.txt" in calls[0]
    train = "inception-jax train --config=experiments/quickstart/digits.py --workdir=runs/digits"
    assert calls[1:] == [train, train]
