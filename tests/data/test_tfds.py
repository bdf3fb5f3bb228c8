"""TFDS data sets are written here from their public formats: two JSON files and ArrayRecords of tf.Example."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from array_record.python import array_record_module  # pyright: ignore[reportAttributeAccessIssue]

from inception_jax.data.decode import DecodeError
from inception_jax.data.sources import DataError, open_source

FEATURES = "tensorflow_datasets.core.features."


def features_of(**features: dict) -> dict:
    return {"pythonClassName": FEATURES + "features_dict.FeaturesDict", "featuresDict": {"features": features}}


IMAGE = {
    "pythonClassName": FEATURES + "image_feature.Image",
    "image": {"shape": {"dimensions": ["-1", "-1", "3"]}, "dtype": "uint8", "encodingFormat": "jpeg"},
}
LABEL = {"pythonClassName": FEATURES + "class_label_feature.ClassLabel", "classLabel": {"numClasses": "3"}}
TEXT = {"pythonClassName": FEATURES + "text_feature.Text", "text": {}}


def prepare(
    root: Path, *, features: dict | None = None, file_format: str = "array_record", name: str = "fruits"
) -> list[tuple[bytes, int]]:
    """Writes a data set of a train split of 7 records and a test split of 2."""
    from tensorflow_datasets.proto import tf_example_pb2

    directory = root / name / "1.0.0"
    directory.mkdir(parents=True)
    written = []
    splits = []
    for split, count in (("train", 7), ("test", 2)):
        path = directory / f"{name}-{split}.{file_format}-00000-of-00001"
        writer = array_record_module.ArrayRecordWriter(str(path), "group_size:1")
        for index in range(count):
            image, label = f"{split} {index}".encode(), index % 3
            example = tf_example_pb2.Example()  # pyright: ignore[reportAttributeAccessIssue]
            example.features.feature["image"].bytes_list.value.append(image)
            example.features.feature["label"].int64_list.value.append(label)
            example.features.feature["note"].bytes_list.value.append(b"of no interest")
            writer.write(example.SerializeToString())
            written.append((image, label))
        writer.close()
        splits.append(
            {
                "name": split,
                "numBytes": "1",
                "shardLengths": [str(count)],
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
            }
        )
    (directory / "features.json").write_text(json.dumps(features or features_of(image=IMAGE, label=LABEL, note=TEXT)))
    (directory / "label.labels.txt").write_text("apple\npear\nplum\n")
    info = {"name": name, "version": "1.0.0", "fileFormat": file_format, "splits": splits}
    (directory / "dataset_info.json").write_text(json.dumps(info))
    return written


@pytest.mark.parametrize("spec", ["tfds:fruits", "tfds:fruits:1.0.0"])
def test_records(tmp_path, spec):
    written = prepare(tmp_path)
    source = open_source(spec, "train", str(tmp_path))
    assert [(record.image, record.label) for record in source] == written[:7]
    assert source.class_names == ("apple", "pear", "plum")
    assert source[3].name == f"{spec} train[3]"
    part = open_source(spec, "train[5:]", str(tmp_path))
    assert [record.name for record in part] == [f"{spec} train[5]", f"{spec} train[6]"]


def test_the_environment_names_the_directory(tmp_path, monkeypatch):
    prepare(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert len(open_source("tfds:fruits", "test")) == 2
    with pytest.raises(DataError, match="is not in /nowhere"):
        open_source("tfds:fruits", "test", "/nowhere")


@pytest.mark.parametrize("name", ["imagenet2012", "fruits:2.0.0", "no_such_set"])
def test_a_missing_data_set_says_how_to_prepare_it(tmp_path, name):
    prepare(tmp_path)
    with pytest.raises(DataError) as error:
        open_source(f"tfds:{name}", "train", str(tmp_path))
    assert "\n" not in str(error.value)
    assert f"tfds:{name} is not in {tmp_path}" in str(error.value)
    assert "`pip install 'inception-jax[prepare]'`" in str(error.value)
    prepare_imagenet = f"`inception-jax prepare {name} --manual-dir=FOLDER --data-dir={tmp_path}`"
    build_another = f"`tfds build {name} --file_format=array_record --data_dir={tmp_path}`"
    assert (prepare_imagenet if name == "imagenet2012" else build_another) in str(error.value)


def test_another_file_format_says_so(tmp_path):
    prepare(tmp_path, file_format="tfrecord")
    with pytest.raises(DataError, match=r"prepared as tfrecord, .* --file_format=array_record"):
        open_source("tfds:fruits", "train", str(tmp_path))


def test_a_damaged_record_is_named_and_others_are_read(tmp_path):
    written = prepare(tmp_path)
    [shard] = (tmp_path / "fruits/1.0.0").glob("*train*")
    data = bytearray(shard.read_bytes())
    data[data.find(b"train 3")] ^= 0xFF
    shard.write_bytes(data)
    source = open_source("tfds:fruits", "train", str(tmp_path))
    with pytest.raises(DecodeError, match=r"^tfds:fruits train\[3\]: damaged record in .*fruits/1\.0\.0: "):
        source[3]
    assert source[4].image == written[4][0]
    shard.write_bytes(data[: len(data) // 2])
    with pytest.raises(DecodeError, match=r"^tfds:fruits train\[0\]: damaged record"):
        open_source("tfds:fruits", "train", str(tmp_path))[0]


def test_other_features_say_so(tmp_path):
    prepare(tmp_path, features=features_of(image=IMAGE, caption=TEXT))
    with pytest.raises(DataError, match=r"must have the features `image` .*; it has caption, image"):
        open_source("tfds:fruits", "train", str(tmp_path))


def test_an_unknown_split(tmp_path):
    prepare(tmp_path)
    with pytest.raises(DataError, match="no split 'validation'; it has train, test, and slices"):
        open_source("tfds:fruits", "validation", str(tmp_path))


def test_a_malformed_name(tmp_path):
    with pytest.raises(DataError, match=r"tfds:\.\./fruits: the name must read"):
        open_source("tfds:../fruits", "train", str(tmp_path))


def test_tensorflow_is_not_imported(tmp_path):
    prepare(tmp_path)
    code = (
        "import sys; from inception_jax.data.sources import open_source\n"
        f"assert open_source('tfds:fruits', 'train', {str(tmp_path)!r})[0].image == b'train 0'\n"
        "sys.exit('tensorflow was imported' if 'tensorflow' in sys.modules else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(("name", "magic"), [("fashion_mnist", b"\x89PNG"), ("cifar10_jpeg", b"\xff\xd8\xff")])
def test_real_data_sets(name, magic, shared_data):
    source = open_source(f"tfds:{name}", "test", str(shared_data / "tfds"))
    assert len(source) == 10000
    assert len(source.class_names) == 10
    image, label, *_ = source[9999]
    assert isinstance(image, bytes)
    assert image.startswith(magic)
    assert 0 <= label < 10
