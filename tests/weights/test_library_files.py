"""Files of weights as the libraries themselves write them: PyTorch's and TensorFlow's are kept in tests/goldens/files.

tests/goldens/make_files.py wrote those; Keras and ONNX write here.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from inception_jax.errors import UserError
from inception_jax.weights.readers import read
from tests import seeded
from tests.goldens.make_files import AVERAGED, FOLDER, TENSORFLOW, TORCH


def assert_same(found, expected) -> None:
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name].shape == value.shape, name
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize("name", ["torch_zip", "torch_legacy", "torch_training"])
def test_pytorch(name):
    contents = read(FOLDER / f"{name}.pth")
    assert contents.format == "pytorch"
    assert_same(contents.tensors, seeded.tensors(TORCH))


def test_pytorch_in_half_precision():
    expected = {name: value.astype(np.float16) for name, value in seeded.tensors(TORCH).items()}
    assert_same(read(FOLDER / "torch_half.pth").tensors, expected)


def test_pytorch_parameters_of_which_one_is_a_transposed_view():
    expected = {name: value for name, value in seeded.tensors(TORCH).items() if "running" not in name}
    del expected["bn.num_batches_tracked"]
    assert_same(read(FOLDER / "torch_parameters.pth").tensors, expected)


def test_a_whole_module_is_refused_with_what_to_save_instead():
    with pytest.raises(UserError, match=r"makes objects; save the module's state_dict\(\) instead"):
        read(FOLDER / "torch_module.pth")


@pytest.mark.parametrize("name", ["tf_bundle.ckpt", "tf_slices.ckpt"])
def test_tensorflow_checkpoints_give_averages_where_there_are_some_and_no_optimizer(name):
    values = seeded.tensors(TENSORFLOW)
    assert_same(read(FOLDER / name).tensors, {name: value + (name in AVERAGED) for name, value in values.items()})


def test_a_frozen_graph_of_tensorflow():
    contents = read(FOLDER / "tf_frozen.pb")
    assert contents.format == "graph_def"
    assert_same(contents.tensors, seeded.tensors(TENSORFLOW))


KERAS = """
import sys
import keras
import numpy as np
model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, use_bias=False, name="conv"),
    keras.layers.BatchNormalization(scale=False, name="bn"), keras.layers.GlobalAveragePooling2D(),
    keras.layers.Dense(5, name="predictions")])
model.compile("adam", "mse")
model.fit(np.ones((2, 8, 8, 3)), np.ones((2, 5)), verbose=0)
for name in ("m.keras", "m.h5"):
    model.save(f"{sys.argv[1]}/{name}")
model.save_weights(f"{sys.argv[1]}/m.weights.h5")
np.savez(f"{sys.argv[1]}/expected.npz", **{v.path.replace("sequential/", ""): np.asarray(v) for v in model.weights})
"""


@pytest.fixture(scope="module")
def keras_files(tmp_path_factory) -> Path:
    """A trained model, so that the files hold an optimizer's state too."""
    folder = tmp_path_factory.mktemp("keras")
    environment = {"KERAS_BACKEND": "jax", "KERAS_HOME": str(folder), "PATH": "", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", KERAS, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.weights.h5"])
def test_keras(name, keras_files):
    contents = read(keras_files / name)
    assert contents.format == "hdf5"
    with np.load(keras_files / "expected.npz") as expected:
        assert len(expected) == 6
        assert_same(contents.tensors, dict(expected))


@pytest.mark.parametrize("raw", [True, False])
def test_onnx(raw, tmp_path):
    from onnx import TensorProto, helper, numpy_helper

    values = {name: value for name, value in seeded.tensors(TORCH).items() if value.ndim}

    def stored(name: str, value: np.ndarray):
        if raw:
            return numpy_helper.from_array(value, name)
        return helper.make_tensor(name, TensorProto.FLOAT, value.shape, value.ravel())

    graph = helper.make_graph([], "net", [], [], [stored(*item) for item in values.items()])
    (tmp_path / "m.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    contents = read(tmp_path / "m.onnx")
    assert contents.format == "onnx"
    assert_same(contents.tensors, values)
