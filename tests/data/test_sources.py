import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from inception_jax.data.sources import DataError, open_source


def test_digits_are_scikit_learns():
    pixels, labels = load_digits(return_X_y=True)
    source = open_source("digits", "all")
    assert len(source) == len(labels) == 1797
    assert source.class_names == tuple("0123456789")
    for index in (0, 4, 1796):
        image, label, name, _ = source[index]
        assert isinstance(image, np.ndarray)
        assert image.dtype == np.uint8
        grey = np.repeat(pixels[index].reshape(8, 8, 1), 3, axis=-1)
        np.testing.assert_allclose(image / 255 * 16, grey, atol=0.5 / 255 * 16)
        assert label == labels[index]
        assert name == f"digits[{index}]"


def test_every_fifth_digit_is_for_testing():
    names = {split: [record.name for record in open_source("digits", split)] for split in ("train", "test", "all")}
    assert names["test"] == names["all"][4::5]
    assert sorted(names["train"] + names["test"]) == sorted(names["all"])


def test_slices_of_digits_partition_the_split():
    whole = [record.name for record in open_source("digits", "train")]
    first, second = (open_source("digits", split) for split in ("train[:95%]", "train[95%:]"))
    assert [record.name for record in first] + [record.name for record in second] == whole
    assert len(first) == round(0.95 * len(whole))


@pytest.mark.parametrize("spec", ["", "digit", "tfds:", "folder:", "http://example.org", "digits:test"])
def test_an_unknown_source(spec):
    with pytest.raises(DataError, match="must be 'tfds:NAME', 'folder:PATH' or 'digits'"):
        open_source(spec, "train")


def test_an_unknown_split_of_digits():
    with pytest.raises(DataError, match="no split 'validation'; it has train, test, all"):
        open_source("digits", "validation")


def test_importing_the_package_imports_no_data_set_library():
    code = (
        "import sys, inception_jax.data.pipeline, inception_jax.data.sources as s\n"
        "heavy = {'tensorflow', 'tensorflow_datasets', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
