"""Readers of public weights: what was written comes back, and no bytes do harm.

tests/weights/formats.py writes the files; that it writes them as the formats' authors do was checked with their own.
"""

import io
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inception_jax.errors import UserError
from inception_jax.weights.readers import BadFile, read
from tests.weights import formats
from tests.weights.formats import FORMATS, write

RNG = np.random.default_rng(0)
# two layers by the names of each format: a kernel with its bias, and a batch norm
CONV = {"kernel": RNG.normal(size=(3, 2, 1, 5)).astype(np.float32), "bias": RNG.normal(size=5).astype(np.float32)}
NORM = {name: RNG.normal(size=5).astype(np.float32) for name in ("beta", "moving_mean", "moving_variance")}


def tensors_for(kind: str) -> dict[str, np.ndarray]:
    if kind.startswith("caffe"):
        return {"conv/0": CONV["kernel"], "conv/1": CONV["bias"]}
    joined = {f"conv/{name}": value for name, value in CONV.items()}
    return joined | {f"conv_bn/{name}": value for name, value in NORM.items()}


def assert_same(found, expected) -> None:
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize("kind", FORMATS)
def test_what_was_written_comes_back_whatever_the_file_is_called(kind, tmp_path):
    contents = read(write(tmp_path, kind, tensors_for(kind)))
    assert_same(contents.tensors, tensors_for(kind))


def test_a_checkpoint_goes_by_its_name_as_tensorflow_has_it(tmp_path):
    write(tmp_path, "tensor_bundle", tensors_for("tensor_bundle"))
    for name in ("weights", "weights.index", "weights.data-00000-of-00001"):
        assert_same(read(tmp_path / name).tensors, tensors_for("tensor_bundle"))


@pytest.mark.parametrize("kind", ["tensor_bundle", "tensor_slices"])
def test_averages_stand_for_their_variables_and_optimizers_stay_out(kind, tmp_path):
    weights, average, other = (np.array(values, np.float32) for values in ([1, 2], [3, 4], [5, 6]))
    stored = {"a": weights, "a/ExponentialMovingAverage": average, "a/RMSProp": other, "a/RMSProp_1": other, "b": other}
    assert_same(read(write(tmp_path, kind, stored)).tensors, {"a": average, "b": other})


@pytest.mark.parametrize("legacy", [False, True])
def test_a_transposed_view_of_a_storage_is_read_as_the_view(legacy, tmp_path):
    value = np.arange(6, dtype=np.float32).reshape(2, 3)
    program = formats.torch_pickle({"w": value.T}, legacy)
    whole = formats.torch_legacy({"w": value}).replace(formats.torch_pickle({"w": value}, True), program)
    path = tmp_path / "view.pth"
    path.write_bytes(whole if legacy else formats.torch_zip({"w": value}, program))
    assert_same(read(path).tensors, {"w": value.T})


def test_a_state_dict_inside_a_training_checkpoint_is_found(tmp_path):
    wrapped = formats.torch_pickle({"w": CONV["bias"]}, around=(b"}(X\n\0\0\0state_dict", b"X\5\0\0\0epochK\7u"))
    (tmp_path / "c").write_bytes(formats.torch_zip({"w": CONV["bias"]}, wrapped))
    assert_same(read(tmp_path / "c").tensors, {"w": CONV["bias"]})


@pytest.mark.parametrize("prefix", ["model_weights"])
def test_a_whole_keras_model_has_its_weights_in_a_group(prefix, tmp_path):
    (tmp_path / "m.h5").write_bytes(formats.keras_2(tensors_for("keras 2"), prefix))
    assert_same(read(tmp_path / "m.h5").tensors, tensors_for("keras 2"))


def test_onnx_values_need_not_be_raw_bytes(tmp_path):
    (tmp_path / "m").write_bytes(formats.onnx(CONV, raw=False))
    assert_same(read(tmp_path / "m").tensors, CONV)


# Harm.


def refused(path: Path, match: str) -> None:
    with pytest.raises(BadFile, match=match) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_code_runs_none(protocol, tmp_path):
    program = pickle.dumps({"w": Malicious(tmp_path / "harm")}, protocol)
    (tmp_path / "m").write_bytes(formats.torch_zip({}, program))
    refused(tmp_path / "m", r"mkdir|which state dicts do not need")
    assert not (tmp_path / "harm").exists()


def test_a_pickled_module_is_told_from_a_state_dict(tmp_path):
    program = b"\x80\x02ctorchvision.models.googlenet\nGoogLeNet\n)R."
    (tmp_path / "m").write_bytes(formats.torch_zip({}, program))
    refused(tmp_path / "m", "calls 'torchvision.models.googlenet.GoogLeNet'")


@pytest.mark.parametrize("shape", [(1 << 30,), (5, 5), (0,), (2, -1)])
def test_a_view_must_lie_in_its_storage(shape, tmp_path):
    whole = formats.torch_pickle({"w": CONV["bias"]})
    ours, theirs = (b"(" + b"".join(b"J" + struct.pack("<i", n) for n in lengths) + b"t" for lengths in ((5,), shape))
    first = whole.index(ours)  # the shape stands before the strides
    program = whole[:first] + theirs + whole[first + len(ours) :].replace(b"J" + struct.pack("<i", 1), b"K\1")
    (tmp_path / "m").write_bytes(formats.torch_zip({"w": CONV["bias"]}, program))
    refused(tmp_path / "m", "cannot hold|can be none|holds no weights")


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    zeros = np.zeros(1 << 22, np.float32)
    data = formats.torch_zip({"w": zeros}, compression=zipfile.ZIP_DEFLATED)
    assert len(data) < zeros.nbytes / 100
    (tmp_path / "m").write_bytes(data)
    tracemalloc.start()
    refused(tmp_path / "m", "compressed")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_header_of_two_gigabytes_is_not_believed(tmp_path):
    (tmp_path / "m").write_bytes(struct.pack("<Q", 2 << 30) + b'{"a":{}}')
    refused(tmp_path / "m", "safetensors")


def test_a_protocol_buffer_of_two_gigabytes_is_not_believed(tmp_path):
    blob = formats.field(7, formats.field(1, formats.varint(1 << 29))) + formats.field(5, bytes(8))
    (tmp_path / "m").write_bytes(formats.field(100, formats.field(1, b"a") + formats.field(7, blob)))
    refused(tmp_path / "m", "has 8 bytes, which is not")


@pytest.mark.parametrize("legacy", [False, True])
def test_numbers_of_a_million_digits_are_refused(legacy, tmp_path):
    """Python would take minutes to multiply them, and refuses to print them."""
    whole = formats.torch_pickle({"w": CONV["bias"]}, legacy)
    huge = b"\x8b" + struct.pack("<i", 1 << 19) + bytes((1 << 19) - 1) + b"\x01"
    ours = b"(J" + struct.pack("<i", 5) + b"t"  # the shape
    program = whole.replace(ours, b"(" + huge + b"t", 1)
    assert len(program) > len(whole) + (1 << 18)
    head = formats.torch_legacy({"w": CONV["bias"]})
    data = head.replace(whole, program) if legacy else formats.torch_zip({"w": CONV["bias"]}, program)
    (tmp_path / "m").write_bytes(data)
    refused(tmp_path / "m", "can be none")


def test_a_pickle_of_tuples_that_hold_each_other_twice_costs_nothing(tmp_path):
    """Written out, the value would have 2 to the power of 100 parts."""
    doubled = b"".join(b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86q" + bytes([n + 1]) for n in range(100))
    for end in (b".", b"X\1\0\0\0a" + b"h\x64" + b"\x86\x85.", b"Q."):
        (tmp_path / "m").write_bytes(formats.torch_zip({}, b"\x80\x02)q\0" + doubled + end))
        refused(tmp_path / "m", "no state dict|other than a storage")


class Claimed:
    """Stands for a tensor of two gigabytes, of which a file holds eight bytes."""

    shape, size, ndim, itemsize, strides, dtype = (1 << 29,), 1 << 29, 1, 4, (4,), np.dtype("<f4")
    nbytes = 1 << 31

    def tobytes(self) -> bytes:
        return bytes(8)

    def astype(self, _: str) -> "Claimed":
        return self


READ_ALL = """
import resource, sys
from pathlib import Path
from inception_jax.weights.readers import BadFile, hdf5, onnx, pytorch, read, safetensors, tensor_bundle
used = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) << 10
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), used + (64 << 20)))
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        read(path)
    except BadFile as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited and measured as Linux does")
def test_claims_of_two_gigabytes_are_refused_within_64_megabytes(tmp_path):
    claimed: Any = {"conv/0": Claimed()}
    kinds = [kind for kind in FORMATS if not kind.startswith("keras") and kind != "safetensors"]
    for kind in kinds:
        folder = tmp_path / "made" / kind.replace(" ", "_")
        folder.mkdir(parents=True)
        write(folder, kind, claimed).rename(tmp_path / f"{folder.name}.index")
        for data in folder.glob("*.data-*"):
            data.rename(tmp_path / f"{folder.name}.data-00000-of-00001")
        folder.rmdir()
    (tmp_path / "made").rmdir()
    header = b'{"a":{"dtype":"F32","shape":[536870912],"data_offsets":[0,2147483648]}}'
    (tmp_path / "safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    zipped = formats.torch_zip({"w": CONV["bias"]})
    place = zipped.rindex(b"PK\1\2") + 20  # sizes in the directory's last entry
    (tmp_path / "zip").write_bytes(zipped[:place] + struct.pack("<II", 1 << 31, 1 << 31) + zipped[place + 8 :])
    command = [sys.executable, "-c", READ_ALL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert len(told) == len(list(tmp_path.iterdir())), told
    assert not [line for line in told if not line.startswith(str(tmp_path))]


def hdf5(path: Path, build) -> Path:
    with h5py.File(path, "w") as root:
        build(root)
    return path


def test_an_hdf5_cycle_has_an_end(tmp_path):
    def build(root):
        inner = root.create_group("a/b")
        inner["c"] = root["a"]

    refused(hdf5(tmp_path / "m", build), "leads back")


def test_an_hdf5_file_that_never_ends_is_given_up(monkeypatch, tmp_path):
    monkeypatch.setattr("inception_jax.weights.readers.hdf5.LONGEST", 0.01)
    refused(write(tmp_path, "keras 3", tensors_for("keras 3")), "it has no end")


@pytest.mark.parametrize("link", [h5py.ExternalLink("other.h5", "/x"), h5py.SoftLink("/a")])
def test_an_hdf5_link_is_not_followed(link, tmp_path):
    refused(hdf5(tmp_path / "m", lambda root: root.update({"a": np.zeros(1, np.float32), "l": link})), "link")


def test_hdf5_numbers_must_be_in_the_file(tmp_path):
    def claimed(root):
        root.create_dataset("a/kernel:0", (1 << 40,), "f4")  # nothing is written, so nothing is stored

    def compressed(root):
        root.create_dataset("a/kernel:0", data=np.zeros(1 << 16, np.float32), compression="gzip")

    def outside(root):
        root.create_dataset("a/kernel:0", (4,), "f4", external=[(str(tmp_path / "secret"), 0, 16)])

    (tmp_path / "secret").write_bytes(bytes(16))
    for number, build in enumerate((claimed, compressed, outside)):
        refused(hdf5(tmp_path / str(number), build), "compressed or kept elsewhere")


def test_a_damaged_byte_of_a_checkpoint_fails_its_checksum(tmp_path):
    write(tmp_path, "tensor_bundle", tensors_for("tensor_bundle"))
    data = tmp_path / "weights.data-00000-of-00001"
    damaged = bytearray(data.read_bytes())
    damaged[7] ^= 1
    data.write_bytes(damaged)
    refused(tmp_path / "weights.index", "checksum")


def test_a_damaged_byte_of_a_zip_fails_its_checksum(tmp_path):
    data = formats.torch_zip(CONV)
    at = data.index(CONV["kernel"].tobytes())
    (tmp_path / "m").write_bytes(data[:at] + b"\xff" + data[at + 1 :])
    refused(tmp_path / "m", "checksum")


def test_a_checkpoint_without_its_data_says_so(tmp_path):
    write(tmp_path, "tensor_bundle", tensors_for("tensor_bundle"))
    (tmp_path / "weights.data-00000-of-00001").unlink()
    refused(tmp_path / "weights.index", "data-00000-of-00001")


def test_data_of_another_checkpoint_is_refused(tmp_path):
    write(tmp_path, "tensor_bundle", tensors_for("tensor_bundle"))
    other = {name: value + 1 for name, value in tensors_for("tensor_bundle").items()}
    (tmp_path / "weights.data-00000-of-00001").write_bytes(formats.tensor_bundle(other)[1])
    refused(tmp_path / "weights.index", "checksum")


@pytest.mark.parametrize(
    ("start", "remedy"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"<!DOCTYPE html>", "web page"),
        (b"\x1f\x8b\x08\0", "unpack"),
        (b"hello, world", "none of the known formats"),
        (b"", "empty|none of the known"),
    ],
)
def test_what_is_no_weights_is_told_apart(start, remedy, tmp_path):
    (tmp_path / "m").write_bytes(start)
    refused(tmp_path / "m", remedy)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    refused(tmp_path / "none", "no such file")
    refused(tmp_path, "no such file")


def test_a_name_of_two_lines_is_refused(tmp_path):
    (tmp_path / "m").write_bytes(formats.onnx({"a\nb": CONV["bias"]}))
    refused(tmp_path / "m", "which is no name")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_cut_off_anywhere_is_refused(kind, tmp_path):
    path = write(tmp_path, kind, tensors_for(kind))
    whole = path.read_bytes()
    steps = 6 if kind.startswith("keras") else 40  # HDF5 takes a process
    for length in {*range(0, len(whole), max(len(whole) // steps, 1)), len(whole) - 1}:
        path.write_bytes(whole[:length])
        try:
            found = read(path).tensors
        except UserError:
            continue
        # a protocol buffer may end between two fields, HDF5 behind its last object; what is read is right then
        assert kind.startswith(("caffe", "onnx", "keras", "graph_def"))
        expected = tensors_for(kind)
        assert all(np.array_equal(value, expected[name]) for name, value in found.items())


@st.composite
def mutations(draw, size: int):
    """Up to six changes: a byte, a run of bytes removed, doubled or replaced by extreme numbers."""
    changes = []
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, size - 1))
        length = draw(st.integers(1, 16))
        new = draw(st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from([b"\xff" * 8, bytes(8), b"\x7f" * 4])))
        changes.append((at, length, draw(st.sampled_from(["replace", "remove", "double"])), new))
    return changes


def mutated(data: bytes, changes) -> bytes:
    for at, length, how, new in changes:
        match how:
            case "replace":
                data = data[:at] + new + data[at + len(new) :]
            case "remove":
                data = data[:at] + data[at + length :]
            case "double":
                data = data[: at + length] + data[at:]
    return data


@pytest.mark.parametrize("kind", FORMATS)
def test_any_bytes_are_read_or_refused_within_bounded_memory(kind, tmp_path):
    path = write(tmp_path, kind, tensors_for(kind))
    whole = path.read_bytes()

    @given(changes=mutations(len(whole)))
    @settings(
        max_examples=8 if kind.startswith("keras") else 60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    def attack(changes):
        path.write_bytes(mutated(whole, changes))
        tracemalloc.start()
        try:
            read(path)
        except UserError as error:
            message = str(error)
        else:
            message = ""
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert "\n" not in message
        assert peak < 8 << 20

    attack()


@given(program=st.binary(max_size=200))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_pickle_is_refused_or_read(program, tmp_path):
    (tmp_path / "m").write_bytes(formats.torch_zip({}, b"\x80\x02" + program))
    with pytest.raises(UserError):
        read(tmp_path / "m")


def test_a_keras_archive_without_weights_is_no_pytorch_file_either(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", "{}")
    (tmp_path / "m").write_bytes(file.getvalue())
    refused(tmp_path / "m", r"none of PyTorch's")
