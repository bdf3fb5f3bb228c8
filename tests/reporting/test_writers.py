import json
import math
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboardX.proto import event_pb2

from inception_jax.reporting import writers
from inception_jax.reporting.writers import MetricWriter, read_metrics

FULL_DEVICE = Path("/dev/full")


def crc32c(data: bytes) -> int:
    """The Castagnoli CRC bit by bit, from its polynomial (RFC 3720, appendix B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read_events(path: Path) -> list:
    """Event files by the TFRecord format: length, its masked CRC, data, its masked CRC; little-endian."""
    content, events, at = path.read_bytes(), [], 0
    while at < len(content):
        length, length_crc = struct.unpack_from("<QI", content, at)
        data = content[at + 12 : at + 12 + length]
        (data_crc,) = struct.unpack_from("<I", content, at + 12 + length)
        assert length_crc == masked(crc32c(content[at : at + 8]))
        assert data_crc == masked(crc32c(data))
        events.append(event_pb2.Event.FromString(data))  # pyright: ignore[reportAttributeAccessIssue]
        at += 16 + length
    return events


def event_files(workdir: Path) -> list[Path]:
    return sorted(workdir.glob("*.tfevents.*"))


def visible_in_tensorboard(workdir: Path) -> dict[str, dict[int, float]]:
    """Tag -> step -> value as TensorBoard shows them: a START at step s hides what came before it from s on."""
    shown: dict[str, dict[int, float]] = {}
    for file in event_files(workdir):
        for event in read_events(file):
            if event.HasField("session_log"):
                for series in shown.values():
                    for step in [s for s in series if s >= event.step]:
                        del series[step]
            for value in event.summary.value:
                shown.setdefault(value.tag, {})[event.step] = value.simple_value
    return shown


def test_the_crc_oracle_knows_the_published_check_value():
    assert crc32c(b"123456789") == 0xE3069283


def test_rows_and_events_hold_what_was_written(tmp_path):
    with MetricWriter(tmp_path / "new" / "run") as writer:
        writer.write(10, {"train/loss": 2.5, "train/top1": 0.125})
        writer.write(20, {"validation/images": 10000})
    assert read_metrics(tmp_path / "new/run/metrics.jsonl") == [
        {"step": 10, "train/loss": 2.5, "train/top1": 0.125},
        {"step": 20, "validation/images": 10000},
    ]
    assert visible_in_tensorboard(tmp_path / "new/run") == {
        "train/loss": {10: 2.5},
        "train/top1": {10: 0.125},
        "validation/images": {20: 10000},
    }


def test_event_files_start_with_the_version_that_tensorboard_asks_for(tmp_path):
    MetricWriter(tmp_path).close()
    (file,) = event_files(tmp_path)
    assert read_events(file)[0].file_version == "brain.Event:2"


@pytest.mark.parametrize("scalar", [np.float32(0.1), np.array(0.1, np.float32), jnp.float32(0.1)])
def test_scalar_arrays_are_written_exactly(tmp_path, scalar):
    with MetricWriter(tmp_path) as writer:
        writer.write(1, {"x": scalar})
    assert np.float32(read_metrics(tmp_path / "metrics.jsonl")[0]["x"]) == np.float32(0.1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_what_is_not_finite_is_null_in_json_and_itself_in_tensorboard(tmp_path, value):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    with MetricWriter(tmp_path) as writer:
        writer.write(1, {"x": value, "y": 1.0})
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line, parse_constant=refuse) == {"step": 1, "x": None, "y": 1.0}
    assert visible_in_tensorboard(tmp_path)["x"][1] == pytest.approx(float(value), nan_ok=True)


@pytest.mark.parametrize("value", ["high", None, np.zeros(2)])
def test_what_is_no_scalar_leaves_no_half_of_a_row(tmp_path, value):
    with MetricWriter(tmp_path) as writer:
        with pytest.raises((TypeError, ValueError)):
            writer.write(1, {"x": 1.0, "y": value})
        writer.write(2, {"x": 2.0})
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"step": 2, "x": 2.0}]
    assert visible_in_tensorboard(tmp_path) == {"x": {2: 2.0}}


def test_a_metric_named_step_is_refused(tmp_path):
    with MetricWriter(tmp_path) as writer, pytest.raises(ValueError, match="'step'"):
        writer.write(1, {"step": 3.0})


def test_each_row_is_on_disk_when_write_returns(tmp_path):
    with MetricWriter(tmp_path) as writer:
        for step in (1, 2):
            writer.write(step, {"x": step})
            assert [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl")] == list(range(1, step + 1))
            assert list(visible_in_tensorboard(tmp_path)["x"]) == list(range(1, step + 1))


def test_a_killed_process_loses_no_row(tmp_path):
    code = (
        "import sys, time\n"
        "from inception_jax.reporting.writers import MetricWriter\n"
        "MetricWriter(sys.argv[1]).write(7, {'x': 1.5})\n"
        "print('written', flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"step": 7, "x": 1.5}]
    assert visible_in_tensorboard(tmp_path) == {"x": {7: 1.5}}


def test_resuming_drops_the_rows_that_will_run_again(tmp_path):
    with MetricWriter(tmp_path) as writer:
        for step in (10, 20, 30):
            writer.write(step, {"x": step})
    with MetricWriter(tmp_path, resume_step=20) as writer:
        writer.write(30, {"x": 31})
    assert read_metrics(tmp_path / "metrics.jsonl") == [
        {"step": 10, "x": 10},
        {"step": 20, "x": 20},
        {"step": 30, "x": 31},
    ]
    assert len(event_files(tmp_path)) == 2
    assert visible_in_tensorboard(tmp_path) == {"x": {10: 10, 20: 20, 30: 31}}


@given(
    rows=st.lists(
        st.dictionaries(st.text(max_size=4).filter(lambda name: name != "step"), st.floats(allow_nan=False, width=32)),
        min_size=1,
        max_size=5,
    ),
    data=st.data(),
)
def test_a_file_cut_anywhere_resumes_to_whole_rows(tmp_path_factory, rows, data):
    workdir = tmp_path_factory.mktemp("cut")
    with MetricWriter(workdir) as writer:
        for step, row in enumerate(rows, 1):
            writer.write(step, row)
    path = workdir / "metrics.jsonl"
    content = path.read_bytes()
    whole = read_metrics(path)
    cut = data.draw(st.integers(0, len(content)), "cut")
    path.write_bytes(content[:cut])
    # A row is whole once its closing brace is there, with or without the line's end.
    ends = [len(line) for line in content.splitlines(keepends=True)]
    survivors = sum(1 for i in range(len(ends)) if sum(ends[: i + 1]) - 1 <= cut)
    assert read_metrics(path) == whole[:survivors]

    resume = data.draw(st.integers(0, len(rows)), "resume")
    with MetricWriter(workdir, resume_step=resume) as writer:
        writer.write(99, {"x": 1})
    assert read_metrics(path) == [*whole[: min(survivors, resume)], {"step": 99, "x": 1}]


def test_a_failed_rewrite_leaves_the_old_file_whole(tmp_path, monkeypatch):
    with MetricWriter(tmp_path) as writer:
        writer.write(10, {"x": 1.0})
        writer.write(20, {"x": 2.0})
    before = (tmp_path / "metrics.jsonl").read_bytes()

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writers.os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        MetricWriter(tmp_path, resume_step=10)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize("line", ["{", "[1]", '{"loss": 1}', '{"step": "1"}'])
def test_a_damaged_line_before_the_last_is_named(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{{"step": 1}}\n{line}\n{{"step": 3}}\n')
    with pytest.raises(ValueError, match=r"metrics\.jsonl, line 2: not a row"):
        read_metrics(path)
    with pytest.raises(ValueError, match="line 2"):
        MetricWriter(tmp_path, resume_step=3)
    assert path.read_text().count("\n") == 3


def test_an_inactive_writer_touches_nothing(tmp_path):
    with MetricWriter(tmp_path / "run", active=False) as writer:
        writer.write(1, {"x": 1.0})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not FULL_DEVICE.exists(), reason="no /dev/full here to stand for a full disk")
def test_a_full_disk_is_an_error_and_no_hang(tmp_path):
    (tmp_path / "metrics.jsonl").symlink_to(FULL_DEVICE)
    # /dev/full reads as endless zeros, so the old rows are not looked at.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writers, "_drop_rows_after", lambda path, step: None)
        writer = MetricWriter(tmp_path)
    with pytest.raises(OSError, match="No space left"):
        writer.write(1, {"x": 1.0})
    writer.close()


def test_a_workdir_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(FileExistsError):
        MetricWriter(tmp_path / "run")
    assert (tmp_path / "run").read_text() == "mine"


def test_no_file_stays_open_where_event_files_cannot_be_made(tmp_path, monkeypatch):
    def refuse(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(writers, "EventsWriter", refuse)
    before = set(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else set()
    with pytest.raises(PermissionError):
        MetricWriter(tmp_path)
    after = set(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else set()
    assert len(after) <= len(before)


def test_starts_within_one_second_keep_their_own_event_files(tmp_path, monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    for resume in (0, 1, 2):
        with MetricWriter(tmp_path, resume_step=resume) as writer:
            writer.write(resume + 1, {"x": resume})
    assert len(event_files(tmp_path)) == 3
    assert visible_in_tensorboard(tmp_path) == {"x": {1: 0, 2: 1, 3: 2}}


def test_writing_starts_no_thread(tmp_path):
    before = threading.active_count()
    with MetricWriter(tmp_path) as writer:
        writer.write(1, {"x": 1.0})
        assert threading.active_count() == before
