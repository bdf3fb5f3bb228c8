"""What the documents show works: Python blocks run, and commands exist with the flags that they name."""

import functools
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import ml_collections
import pytest

from inception_jax import config

ROOT = Path(__file__).parents[1]
PAGES = runpy.run_path(str(ROOT / "docs" / "generate.py"))["PAGES"]
DOCUMENTS = sorted(
    {*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "experiments" / "README.md"}
    - {*ROOT.glob("docs/*.template.md")}
)
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELLS = ("console", "bash", "sh", "shell")


def blocks(text: str) -> list[tuple[str, int, str]]:
    """Fenced blocks as (language, line of the first line of code, code)."""
    return [(m[1], text[: m.start(2)].count("\n") + 1, m[2]) for m in FENCE.finditer(text)]


def commands(text: str) -> list[tuple[int, list[str]]]:
    """Commands of shell blocks as (line, words); in `console` blocks only what follows a `$ `."""
    found = []
    for language, first, code in blocks(text):
        if language not in SHELLS:
            continue
        # A continued command keeps its first line's number.
        lines = re.sub(r"\\\n", lambda m: "\0", code).split("\n")
        number = first
        for line in lines:
            command = line.replace("\0", " ")
            if language == "console":
                command = command[2:] if command.startswith("$ ") else ""
            words = shlex.split(command, comments=True)
            if words:
                found.append((number, words))
            number += 1 + line.count("\0")
    return found


@functools.cache
def help_of(*subcommand: str) -> str:
    program = Path(sys.executable).with_name("inception-jax")
    result = subprocess.run([program, *subcommand, "--help"], capture_output=True, text=True, timeout=120, check=False)
    text = result.stdout + result.stderr
    assert "Traceback" not in text, text
    return text


def check_inception_jax(words: list[str]) -> None:
    """Asserts that the subcommand, its flags, its config file and its config fields exist."""
    assert len(words) > 1, "inception-jax is shown without a subcommand"
    subcommand, *arguments = words[1:]
    if subcommand.startswith("-"):
        assert subcommand == "--help"
        return
    assert re.search(rf"\b{re.escape(subcommand)}\b", help_of()), f"no subcommand {subcommand!r}"
    known = set(re.findall(r"--(?:\[no\])?([a-z][\w-]*)", help_of(subcommand)))
    for argument in (a for a in arguments if a.startswith("--")):
        flag, _, value = argument[2:].partition("=")
        name, _, field = flag.partition(".")
        assert name in known, f"{subcommand} has no flag --{name}; it has {', '.join(sorted(known))}"
        if field:
            check_field(field)
        elif name == "config" and value.startswith("experiments/"):
            file = value.partition(":")[0]
            assert (ROOT / file).is_file(), f"{file} is no file"


def check_field(field: str) -> None:
    section = config.defaults()
    for name in field.split("."):
        assert isinstance(section, ml_collections.ConfigDict), f"config.{field} lies below a value"
        assert name in section, f"no config field {field!r}"
        section = section[name]
        if name == "options":  # a network's own, open to any name
            return


def check_make(words: list[str]) -> None:
    result = subprocess.run(
        ["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr


CHECKS = {"inception-jax": check_inception_jax, "make": check_make}
SHOWN = [
    pytest.param(words, id=f"{path.relative_to(ROOT)}:{line}")
    for path in DOCUMENTS
    for line, words in commands(path.read_text())
    if Path(words[0]).name in CHECKS
]


@pytest.mark.parametrize("words", SHOWN)
def test_commands_exist(words):
    CHECKS[Path(words[0]).name](words)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_blocks_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for language, line, code in blocks(path.read_text()):
        if language == "python":
            # Blank lines first, so that a traceback gives the document's own line.
            exec(compile("\n" * (line - 1) + code, path, "exec"), names)


def test_relative_links_lead_somewhere():
    for path in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)\s#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


DOCUMENT = """\
Text.

```python
x = 1
```

```console
$ make test
passed
$ inception-jax train \\
    --workdir=runs/a  # a comment
```

```bash
inception-jax describe
```
"""


def test_blocks_and_commands_are_found_where_they_are():
    assert blocks(DOCUMENT)[0] == ("python", 4, "x = 1\n")
    assert commands(DOCUMENT) == [
        (8, ["make", "test"]),
        (10, ["inception-jax", "train", "--workdir=runs/a"]),
        (15, ["inception-jax", "describe"]),
    ]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("inception-jax", "without a subcommand"),
        ("inception-jax trian --workdir=a", "no subcommand 'trian'"),
        ("inception-jax train --wrkdir=a", "no flag --wrkdir"),
        ("inception-jax train --config=experiments/quickstart/numerals.py", "is no file"),
        ("inception-jax train --config.optimizer.lerning_rate=1", "no config field"),
        ("inception-jax train --config.seed.more=1", "below a value"),
        ("make tset", "No rule to make target"),
    ],
)
def test_a_wrong_command_is_noticed(command, message):
    words = command.split()
    with pytest.raises(AssertionError, match=message):
        CHECKS[words[0]](words)


def test_help_is_read_from_this_environment():
    assert os.access(Path(sys.executable).with_name("inception-jax"), os.X_OK)


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_what_the_code_says(name):
    assert (ROOT / "docs" / name).read_text() == PAGES[name](), "run `make docs`"
