"""Small files of weights as PyTorch and TensorFlow write them, kept in tests/goldens/files.

python -m tests.goldens.make_files pytorch       writes the files of one library
python -m tests.goldens.make_files tensorflow

Each library is in an environment of its own, which `make goldens-check` makes. The values are those of
`seeded.tensors`, so that a test knows them without the library.
"""
# pyright: reportMissingImports=false

import argparse
import sys
from pathlib import Path
from typing import Any

from tests import seeded

FOLDER = Path(__file__).parent / "files"
TORCH = {
    "conv.weight": (4, 3, 3, 3),
    "bn.weight": (4,),
    "bn.bias": (4,),
    "bn.running_mean": (4,),
    "bn.running_var": (4,),
    "bn.num_batches_tracked": (),
    "fc.weight": (5, 4),
    "fc.bias": (5,),
}
TENSORFLOW = {
    "Net/Conv/weights": (3, 3, 3, 4),
    "Net/Conv/BatchNorm/beta": (4,),
    "Net/Conv/BatchNorm/moving_mean": (4,),
    "Net/Conv/BatchNorm/moving_variance": (4,),
    "Net/Logits/weights": (4, 5),
}
AVERAGED = ("Net/Conv/weights", "Net/Conv/BatchNorm/beta", "Net/Logits/weights")
"""Variables that have a moving average in the checkpoints: what is trained."""


def pytorch() -> None:
    """A module's state dict, in both formats of `torch.save`, in a training checkpoint, in half precision."""
    import torch
    from torch import nn

    module = nn.Module()
    module.conv, module.bn, module.fc = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Linear(4, 5)
    module.load_state_dict({name: torch.from_numpy(value) for name, value in seeded.tensors(TORCH).items()})
    state = module.state_dict()
    torch.save(state, FOLDER / "torch_zip.pth")
    torch.save(state, FOLDER / "torch_legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 7, "state_dict": state, "best": 0.5}, FOLDER / "torch_training.pth")
    torch.save({name: value.half() for name, value in state.items()}, FOLDER / "torch_half.pth")
    module.fc.weight = nn.Parameter(module.fc.weight.detach().T.contiguous().T)  # a view that is not row-major
    torch.save(dict(module.named_parameters()), FOLDER / "torch_parameters.pth")
    torch.save(module, FOLDER / "torch_module.pth")


def tensorflow() -> None:
    """Checkpoints of both formats with averages and an optimizer's state, and the frozen graph."""
    import tensorflow.compat.v1 as tf

    tf.disable_eager_execution()
    with tf.Graph().as_default(), tf.Session() as session:
        variables: dict[str, Any] = {
            name: tf.get_variable(name, shape, use_resource=False, trainable=name in AVERAGED)
            for name, shape in TENSORFLOW.items()
        }
        step = tf.train.get_or_create_global_step()
        output: Any = tf.add_n([tf.reduce_sum(variable) for variable in variables.values()], name="output")
        update = tf.train.RMSPropOptimizer(0.1).minimize(output, step)
        averages = tf.train.ExponentialMovingAverage(0.9, step)
        with tf.control_dependencies([update]):
            averages.apply([variables[name] for name in AVERAGED])
        session.run(tf.global_variables_initializer())
        for name, value in seeded.tensors(TENSORFLOW).items():
            variables[name].load(value, session)
            if name in AVERAGED:
                averages.average(variables[name]).load(value + 1, session)
        for kind, version in (("bundle", tf.train.SaverDef.V2), ("slices", tf.train.SaverDef.V1)):
            saver = tf.train.Saver(write_version=version)
            saver.save(session, str(FOLDER / f"tf_{kind}.ckpt"), write_meta_graph=False, write_state=False)
        frozen = tf.graph_util.convert_variables_to_constants(session, session.graph_def, ["output"])
        (FOLDER / "tf_frozen.pb").write_bytes(frozen.SerializeToString())


def main() -> int:
    """Writes the files of one library."""
    parser = argparse.ArgumentParser(description="Small files of weights as their libraries write them.")
    parser.add_argument("library", choices=["pytorch", "tensorflow"])
    FOLDER.mkdir(exist_ok=True)
    {"pytorch": pytorch, "tensorflow": tensorflow}[parser.parse_args().library]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
