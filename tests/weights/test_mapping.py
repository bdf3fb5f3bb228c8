"""Name tables: every tensor has one place, every place one tensor, and one error names all that have not."""

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from hypothesis import given, settings
from hypothesis import strategies as st

from inception_jax import models
from inception_jax.errors import UserError
from inception_jax.models.network import abstract_variables
from inception_jax.weights import keras, pytorch
from inception_jax.weights.catalogue import CATALOGUE
from inception_jax.weights.mapping import WeightsMismatch, expand, layers, to_tensors, to_variables
from tests import seeded

GOLDENS = Path(__file__).parents[1] / "goldens/parity"
PYTORCH = [name for name in CATALOGUE if name.startswith(("torchvision", "timm")) and not CATALOGUE[name].by_name]


@cache
def abstract_of(network: str, variant: str, aux: bool):
    network_ = models.create(network, variant=variant, aux=aux)
    size = models.architecture(network, variant).input_size
    return abstract_variables(network_, jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32))


def listing_of(name: str) -> dict[str, tuple[int, ...]]:
    """What the peer itself says that it has."""
    with np.load(GOLDENS / f"{name.replace('/', '_')}.npz") as golden:
        return seeded.listed(golden["tensors"])


@pytest.mark.parametrize("name", PYTORCH)
def test_every_tensor_of_the_peer_reaches_a_place_of_its_own_and_comes_back(name):
    source, shapes = CATALOGUE[name].source, listing_of(name)
    abstract = abstract_of(source.network, source.variant, any("aux" in tensor.lower() for tensor in shapes))
    numbers = {tensor: number for number, tensor in enumerate(shapes, start=1)}
    tensors = {tensor: np.broadcast_to(np.float64(numbers[tensor]), shape) for tensor, shape in shapes.items()}
    variables = to_variables(source, tensors, abstract)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), variables) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), dict(abstract)
    )
    arrived = sorted(int(leaf.flat[0]) for leaf in jax.tree.leaves(variables))
    held = {tensor: n for tensor, n in numbers.items() if not tensor.endswith("num_batches_tracked")}
    assert arrived == sorted(held.values())
    back = to_tensors(source, variables)
    assert {tensor: (value.shape, value.flat[0]) for tensor, value in back.items()} == {
        tensor: (shapes[tensor], number) for tensor, number in held.items()
    }


def test_weights_for_another_variant_are_refused_by_the_names_that_it_lacks():
    source, shapes = CATALOGUE["timm/inception_v3"].source, listing_of("timm/inception_v3")
    tensors = {tensor: np.broadcast_to(np.float32(0), shape) for tensor, shape in shapes.items()}
    with pytest.raises(WeightsMismatch, match="must be the torchvision variant of inception_v3") as caught:
        to_variables(source, tensors, abstract_of("inception_v3", "slim", False))
    assert caught.value.unused == tuple(tensor for tensor in shapes if tensor.endswith("bn.weight"))
    assert not caught.value.missing
    assert not caught.value.misshapen


def test_weights_without_auxiliary_heads_do_not_fill_a_network_with_them():
    source, shapes = CATALOGUE["timm/inception_v3"].source, listing_of("timm/inception_v3")
    tensors = {tensor: np.broadcast_to(np.float32(0), shape) for tensor, shape in shapes.items()}
    with pytest.raises(WeightsMismatch) as caught:
        to_variables(source, tensors, abstract_of("inception_v3", "torchvision", True))
    assert "params/aux/conv1/kernel (their AuxLogits.conv0.conv.weight)" in caught.value.missing
    assert all("/aux/" in variable for variable in caught.value.missing)
    assert not caught.value.unused


# A network of two layers and its source, to break in every way.

ABSTRACT = {
    "params": {
        "conv": {
            "kernel": jax.ShapeDtypeStruct((3, 3, 2, 4), jnp.float32),
            "norm": {name: jax.ShapeDtypeStruct((4,), jnp.float32) for name in ("scale", "bias")},
        },
        "logits": {
            "kernel": jax.ShapeDtypeStruct((4, 5), jnp.float32),
            "bias": jax.ShapeDtypeStruct((5,), jnp.float32),
        },
    },
    "batch_stats": {"conv": {"norm": {name: jax.ShapeDtypeStruct((4,), jnp.float32) for name in ("mean", "var")}}},
}
TOY = pytorch.torch_source("toy", "small", {"stem": "conv", "fc": "logits"})
SHAPES = {
    "stem.conv.weight": (4, 2, 3, 3),
    "stem.bn.weight": (4,),
    "stem.bn.bias": (4,),
    "stem.bn.running_mean": (4,),
    "stem.bn.running_var": (4,),
    "fc.weight": (5, 4),
    "fc.bias": (5,),
}
NAMES = st.sampled_from(sorted(SHAPES))


def test_values_arrive_in_our_layout():
    tensors = seeded.tensors(SHAPES)
    variables = to_variables(TOY, tensors, ABSTRACT)
    kernel = variables["params"]["conv"]["kernel"]
    assert kernel[0, 2, 1, 3] == tensors["stem.conv.weight"][3, 1, 0, 2]
    assert variables["params"]["logits"]["kernel"][3, 4] == tensors["fc.weight"][4, 3]
    norm = variables["params"]["conv"]["norm"] | variables["batch_stats"]["conv"]["norm"]
    theirs = {"scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
    for ours, name in theirs.items():
        np.testing.assert_array_equal(norm[ours], tensors[f"stem.bn.{name}"])


@given(
    dropped=st.sets(NAMES, max_size=3),
    added=st.sets(st.text("abc.", min_size=1), max_size=3),
    misshapen=st.sets(NAMES, max_size=3),
)
@settings(max_examples=50)
def test_one_error_lists_all_that_is_wrong(dropped, added, misshapen):
    tensors = {name: np.zeros(shape) for name, shape in SHAPES.items() if name not in dropped}
    tensors |= {name: np.zeros(1) for name in added}
    misshapen -= dropped
    tensors |= {name: np.zeros((7, *SHAPES[name][1:])) for name in misshapen}
    if not dropped | added | misshapen:
        to_variables(TOY, tensors, ABSTRACT)
        return
    with pytest.raises(UserError) as caught:
        to_variables(TOY, tensors, ABSTRACT)
    error = caught.value
    assert isinstance(error, WeightsMismatch)
    assert set(error.unused) == added
    assert {entry.split("their ")[1].rstrip(")") for entry in error.missing} == dropped
    assert {entry.split()[0] for entry in error.misshapen} == misshapen
    assert "\n" not in str(error)
    assert all(entry in str(error) for entry in error.unused + error.missing + error.misshapen)


def test_a_shape_error_shows_both_shapes():
    tensors = seeded.tensors(SHAPES) | {"stem.conv.weight": np.zeros((4, 2, 5, 5))}
    with pytest.raises(WeightsMismatch, match=r"stem.conv.weight \(4, 2, 5, 5\) for params/conv/kernel \(3, 3, 2, 4\)"):
        to_variables(TOY, tensors, ABSTRACT)


def test_a_place_without_a_row_is_missing():
    tensors = {name: value for name, value in seeded.tensors(SHAPES).items() if not name.startswith("fc")}
    with pytest.raises(WeightsMismatch) as caught:
        to_variables(pytorch.torch_source("toy", "small", {"stem": "conv"}), tensors, ABSTRACT)
    assert caught.value.missing == ("params/logits/kernel", "params/logits/bias")


def test_of_two_tensors_for_one_place_one_is_unused():
    source = pytorch.torch_source("toy", "small", {"stem": "conv", "fc": "logits", "head": "logits"})
    tensors = seeded.tensors(SHAPES | {"head.weight": (5, 4), "head.bias": (5,)})
    with pytest.raises(WeightsMismatch) as caught:
        to_variables(source, tensors, ABSTRACT)
    assert len(caught.value.unused) == 2


def test_only_the_counter_of_batches_is_ignored():
    tensors = seeded.tensors(SHAPES) | {"stem.bn.num_batches_tracked": np.array(3)}
    to_variables(TOY, tensors, ABSTRACT)
    with pytest.raises(WeightsMismatch) as caught:
        to_variables(TOY, tensors | {"stem.bn.num_batches": np.array(3)}, ABSTRACT)
    assert caught.value.unused == ("stem.bn.num_batches",)


def test_a_linear_layer_over_a_flattened_map_becomes_a_kernel_over_that_map():
    rng = np.random.default_rng(0)
    weight, features = rng.normal(size=(5, 3 * 2 * 4)), rng.normal(size=(3, 2, 4))  # [C, H, W]
    kernel = pytorch.layout(weight, (2, 4, 3, 5))
    np.testing.assert_allclose(np.einsum("hwco,chw->o", kernel, features), weight @ features.ravel())


@pytest.mark.parametrize("first", [0, 1, 94])
def test_keras_numbers_tell_only_the_order(first):
    """Places counted by hand in Keras' code: 5 convolutions of the stem, 7 of each 35x35 module and so on."""
    names = [
        f"{kind}_{n}" if n else kind for n in range(first, first + 94) for kind in ("conv2d", "batch_normalization")
    ]
    rng = np.random.default_rng(0)
    rng.shuffle(names)
    held = {"conv2d": ["kernel"], "batch_normalization": ["beta", "moving_mean", "moving_variance"]}
    tensors = [f"{name}/{tensor}" for name in names for tensor in held[name.rstrip("0123456789").rstrip("_")]]
    variables = flatten_dict(abstract_of("inception_v3", "slim", False), sep="/")
    table = keras.INCEPTION_V3.table(tensors, layers(variables))
    known = {
        0: "conv2d_1a",
        4: "conv2d_4a",
        5: "mixed_5b/branch0_conv0_1x1",
        11: "mixed_5b/branch3_conv0_1x1",
        26: "mixed_6a/branch0_conv0_3x3",
        30: "mixed_6b/branch0_conv0_1x1",
        76: "mixed_7b/branch0_conv0_1x1",
        78: "mixed_7b/branch1_conv1a_1x3",
        79: "mixed_7b/branch1_conv1b_3x1",
        93: "mixed_7c/branch3_conv0_1x1",
    }
    for place, layer in known.items():
        number = f"_{first + place}" if first + place else ""
        assert table[f"conv2d{number}/kernel"] == f"params/{layer}/kernel"
        assert table[f"batch_normalization{number}/beta"] == f"params/{layer}/norm/bias"
        assert table[f"batch_normalization{number}/moving_variance"] == f"batch_stats/{layer}/norm/var"


def test_braces_write_out_both_sides():
    rows = expand({"a{1..3}.x": "b{7,8,9}/y", "c": "d"})
    assert rows == {"a1.x": "b7/y", "a2.x": "b8/y", "a3.x": "b9/y", "c": "d"}
    with pytest.raises(ValueError, match="zip"):
        expand({"a{1,2}": "b{1..3}"})
