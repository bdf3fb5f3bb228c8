"""What `inception-jax launch` writes is read by the programs that it is for, or by their own checkers."""

import io
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from inception_jax.cli.main import main
from inception_jax.distributed.launch import gke, local, slurm, tpu_vm
from inception_jax.distributed.launch.tpus import slice_of
from inception_jax.distributed.launch.training import Training, name_of
from inception_jax.distributed.tpu import TopologyError

WORKDIR = '/data/my runs/$HOME `id` $(id) it\'s "a" \\ run'
TRAINING = Training(("train", "--config=experiments/a b.py:x", "--config.seed=3", f"--workdir={WORKDIR}"), "my-run")
ALLOCATION = slurm.Allocation(4, 8, "24:00:00", 120, ("--partition=gpu", "--comment=a b"))
CONFIG = "--config=experiments/quickstart/digits.py"


def checked(script: str) -> str:
    """The script, after bash's parser and shellcheck have read it."""
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    shellcheck = Path(sys.executable).with_name("shellcheck")
    # SC2016 tells of a $ that the shell will not replace, and none of ours should be.
    command = [shellcheck, "--shell=bash", "--exclude=SC2016", "-"]
    found = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
    return script


def words_given_to(program: str, script: str, tmp_path: Path, code: int = 0) -> list[list[str]]:
    """The arguments with which `script` calls a stand-in for `program`, call by call."""
    calls, stand_in = tmp_path / "calls", tmp_path / "bin" / program
    stand_in.parent.mkdir(exist_ok=True)
    stand_in.write_text(f'#!/bin/bash\n(printf "%s\\0" "$@"; echo) >>{shlex.quote(str(calls))}\nexit {code}\n')
    stand_in.chmod(0o755)
    environment = os.environ | {"PATH": f"{stand_in.parent}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}
    subprocess.run(["bash", "-c", script], env=environment, cwd=tmp_path, capture_output=True, check=False)
    return [line.split("\0")[:-1] for line in calls.read_text().splitlines()] if calls.exists() else []


def test_the_batch_script_gives_srun_the_very_arguments(tmp_path):
    script = checked(slurm.script(TRAINING, ALLOCATION, str(tmp_path)))
    (call,) = words_given_to("srun", script, tmp_path)
    assert tuple(call[-5:]) == TRAINING.command


def test_the_batch_script_asks_for_what_it_was_told():
    header = re.findall(r"^#SBATCH (.*)$", slurm.script(TRAINING, ALLOCATION, "."), re.MULTILINE)
    options = [shlex.split(line)[0] for line in header]
    assert {"--nodes=4", "--ntasks-per-node=8", "--gpus-per-node=8", "--signal=TERM@120", "--comment=a b"} <= {*options}
    cpus = slurm.script(TRAINING, slurm.Allocation(2, 0, "1:00:00", 60), ".")
    assert "--ntasks-per-node=1" in cpus
    assert "gpus" not in cpus


@pytest.mark.parametrize(("code", "again"), [(0, False), (1, False), (2, False), (75, True), (143, True), (137, True)])
def test_the_batch_script_queues_again_what_can_go_on(tmp_path, code, again):
    script = slurm.script(TRAINING, ALLOCATION, str(tmp_path))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "srun").write_text(f"#!/bin/bash\nexit {code}\n")
    (tmp_path / "bin" / "srun").chmod(0o755)
    assert words_given_to("scontrol", script, tmp_path) == ([["requeue", "7"]] if again else [])


@pytest.mark.parametrize("tpu", ["v5e-64", "v4-32", "v5p-8", "v6e-256"])
@pytest.mark.parametrize("claim", ["", "shared"])
def test_kubernetes_accepts_the_manifest(tpu, claim):
    slice_ = slice_of(tpu)
    documents = list(yaml.safe_load_all(gke.manifest(TRAINING, slice_, gke.Cluster("registry/image:1", claim))))
    for document in documents:
        kubernetes_validate.validate(document, "1.31", strict=True)
    service, job = documents
    assert service["metadata"]["name"] == job["spec"]["template"]["spec"]["subdomain"]
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == slice_.hosts
    # Kubernetes turns $$ back into $ and replaces $(NAME).
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    assert not any(re.search(r"(?<!\$)\$\(", word) for word in command)
    assert tuple(word.replace("$$", "$") for word in command) == TRAINING.command


def test_a_wrong_manifest_would_be_noticed():
    _, job = yaml.safe_load_all(gke.manifest(TRAINING, slice_of("v5e-16"), gke.Cluster("image")))
    job["spec"]["completion"] = job["spec"].pop("completions")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, "1.31", strict=True)


def test_the_commands_for_tpu_vms_reach_every_host_as_they_were_meant(tmp_path):
    site = tpu_vm.Site("us-west4-a", spot=True, setup="sudo mount 10.0.0.2:/vol1 /data")
    commands = tpu_vm.commands(TRAINING, slice_of("v5e-64"), site)
    remote = []
    for command in commands:
        checked(command)
        for call in words_given_to("gcloud", command, tmp_path, code=1 if " describe " in command else 0):
            remote += [word.removeprefix("--command=") for word in call if word.startswith("--command=")]
            if "create" in call:
                assert {"--accelerator-type=v5litepod-64", "--spot", "--version=v2-alpha-tpuv5-lite"} <= {*call}
        (tmp_path / "calls").unlink(missing_ok=True)
    assert len(remote) == 3
    assert remote[1] == site.setup
    for command in remote:
        checked(command)
    # On the host: the loop that trains, with a home and a program of our own.
    home = tmp_path / "home"
    (home / "inception_jax" / ".venv" / "bin").mkdir(parents=True)
    program = home / "inception_jax" / ".venv" / "bin" / "inception-jax"
    program.write_text('#!/bin/bash\nprintf "%s\\0" "$@" >~/calls\nexit 2\n')
    program.chmod(0o755)
    subprocess.run(["bash", "-c", remote[2]], env=os.environ | {"HOME": str(home)}, check=True, timeout=30)
    deadline = time.monotonic() + 20
    while not (home / "calls").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.1)
    assert tuple((home / "calls").read_text().split("\0")[:-1]) == TRAINING.arguments


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\n\r"), min_size=1))
def test_any_workdir_survives_the_shell(workdir):
    training = Training(("train", f"--workdir={workdir}"), name_of(Path(workdir)))
    line = next(x for x in slurm.script(training, ALLOCATION, ".").split("\n") if x.startswith("srun"))
    assert shlex.split(line)[-1] == f"--workdir={workdir}"
    assert re.fullmatch("[a-z][a-z0-9-]{0,43}", training.name)
    assert not training.name.endswith("-")


@pytest.mark.parametrize(
    ("name", "accelerator", "topology", "hosts"),
    [
        ("v5e-64", "v5litepod-64", "8x8", 16),
        ("v6e-16", "v6e-16", "4x4", 4),
        ("v4-8", "v4-8", "2x2x1", 1),
        ("v5p-128", "v5p-128", "4x4x4", 16),
        ("v5e-1", "v5litepod-1", "1x1", 1),
    ],
)
def test_slices_have_googles_names(name, accelerator, topology, hosts):
    found = slice_of(name)
    assert (found.accelerator_type, found.topology, found.hosts) == (accelerator, topology, hosts)


@pytest.mark.parametrize("name", ["v5e-63", "v4-7", "v3-8", "v5e", "v5e-", "64", "2xv5e-256"])
def test_a_slice_that_does_not_exist_is_refused(name):
    with pytest.raises(TopologyError, match=f"'{name}' is (unknown|several)"):
        slice_of(name)


def test_local_commands_are_a_shell_script():
    script = checked("#!/bin/bash\n" + local.script(TRAINING, 3, 1234))
    lines = [shlex.split(line) for line in script.splitlines() if "inception-jax" in line]
    assert [line[-2] for line in lines] == ["--process-id=0", "--process-id=1", "--process-id=2"]
    assert all(tuple(line[1:6]) == TRAINING.command for line in lines)


def run_local(monkeypatch, program: str, processes: int = 3) -> tuple[int, str]:
    monkeypatch.setattr(local, "_MAIN", program)
    stream = io.StringIO()
    return local.run(Training(("train",), "x"), processes, stream), stream.getvalue()


def test_local_processes_are_numbered_and_their_lines_prefixed(monkeypatch):
    code, text = run_local(monkeypatch, "import sys; print(sys.argv[-2:])")
    assert code == 0
    assert sorted(text.splitlines()) == [f"[{i}] ['--processes=3', '--process-id={i}']" for i in range(3)]


def test_one_local_failure_stops_all(monkeypatch):
    program = "import sys, time; sys.exit(7) if sys.argv[-1].endswith('1') else time.sleep(300)"
    start = time.monotonic()
    code, _ = run_local(monkeypatch, program)
    assert code == 7
    assert time.monotonic() - start < 60


def test_a_local_process_that_was_killed_gives_the_code_of_a_shell(monkeypatch):
    code, _ = run_local(monkeypatch, "import os; os.kill(os.getpid(), 9)", 1)
    assert code == 128 + signal.SIGKILL


def test_a_signal_reaches_every_local_process(monkeypatch):
    program = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('told'), sys.exit(143)))\n"
        "print('ready', flush=True)\ntime.sleep(300)"
    )

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            written = super().write(text)
            if self.getvalue().count("ready") == 2 and "ready" in text:
                threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
            return written

    monkeypatch.setattr(local, "_MAIN", program)
    stream = Stream()
    assert local.run(Training(("train",), "x"), 2, stream) == 143
    assert stream.getvalue().count("told") == 2


@pytest.mark.parametrize("target", ["local", "slurm", "gke", "tpu-vm"])
def test_every_target_is_printed(capsys, target):
    flags = ["--image=i", "--zone=z", "--sbatch=--account=us"]
    assert main(["launch", f"--on={target}", CONFIG, "--config.seed=5", "--workdir=runs/a", *flags]) == 0
    assert "--config.seed=5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--on=gke"], "needs --image"),
        (["--on=tpu-vm"], "needs --zone"),
        (["--on=gke", "--image=i", "--tpu=v5e-63"], "'v5e-63' is unknown"),
        (["--on=local", "--processes=0"], "at least 1"),
        (["--on=local", "--config.sed=1"], "did you mean config.seed"),
    ],
)
def test_mistakes_are_named_before_anything_runs(capsys, flags, message):
    assert main(["launch", CONFIG, "--workdir=runs/a", *flags]) == 2
    assert message in capsys.readouterr().err


def test_a_program_that_is_missing_is_named(capsys, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert main(["launch", "--on=slurm", CONFIG, "--workdir=runs/a", "--go"]) == 2
    assert "sbatch is not installed here" in capsys.readouterr().err
