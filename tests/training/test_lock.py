import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from inception_jax.training.lock import LOCK_FILE, locked
from inception_jax.training.run_directory import RunDirectoryError

HOLDER = """
import sys
from pathlib import Path
from inception_jax.training.lock import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_second_holder_is_refused_and_the_first_named(tmp_path):
    with (
        locked(tmp_path),
        pytest.raises(RunDirectoryError, match=rf"process {os.getpid()} on .* is training in .*"),
        locked(tmp_path),
    ):
        pass
    with locked(tmp_path):
        pass


def test_a_killed_holder_leaves_no_lock(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(RunDirectoryError, match=f"process {holder.pid} "), locked(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert str(holder.pid) in (tmp_path / LOCK_FILE).read_text()
    with locked(tmp_path):
        pass


def test_a_file_system_without_locks_is_warned_of(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", unsupported)
    with pytest.warns(UserWarning, match="has no file locks"), locked(tmp_path):
        pass
