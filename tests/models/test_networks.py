"""Networks at full size against reference/architectures.md: shapes, parameters, multiply-adds."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest

from inception_jax import models
from inception_jax.models.cost import costs, count_parameters
from inception_jax.models.geometry import is_too_small, map_side
from inception_jax.models.network import abstract_variables

# (name, variant, options) -> parameters without and with auxiliary heads, and multiply-adds in millions at the size of
# the default variant, of the reference's section 0; None where it gives none
REFERENCE = {
    ("googlenet", "paper", ()): (6_998_552, 13_378_280, 1_583),
    ("googlenet", "caffe", ()): (6_998_552, 13_378_280, 1_583),
    ("googlenet", "slim", ()): (6_617_624, None, 1_498),
    ("googlenet", "torchvision", ()): (6_624_904, 13_004_888, 1_498),
    ("bn_inception", "paper", ()): (11_278_528, None, 1_949),
    ("bn_inception", "slim", ()): (11_178_336, None, 1_935),
    ("bn_inception", "caffe", ()): (11_295_240, None, 2_033),
    ("inception_v2", "table1", ()): (25_954_248, None, 6_353),
    ("inception_v2", "four_modules", ()): (24_263_240, None, 5_865),
    # table1 with one 7x7 convolution to 64 channels in the place of three 3x3
    ("inception_v2", "table3_baseline", ()): (25_954_248 - 28_512 - 2 * 128 + 9_408 + 2 * 64, None, 6_353 - 617 + 203),
    ("inception_v3", "slim", ()): (23_817_352, 27_143_152, 5_713),
    ("inception_v3", "torchvision", ()): (23_834_568, 27_161_264, 5_713),
    ("inception_v3", "low_resolution_151", ()): (23_817_352, 27_143_152, None),
    ("inception_v3", "low_resolution_79", ()): (23_817_352, 27_143_152, None),
    ("inception_v4", "slim", ()): (42_648_232, 46_006_800, 12_254),
    ("inception_v4", "timm", (("heads", True),)): (42_679_816, 46_039_280, 12_254),
    ("inception_v4", "paper", ()): (42_648_232, None, 12_254),
    ("inception_resnet_v1", "paper", ()): (22_742_808, None, 6_206),
    ("inception_resnet_v1", "paper", (("bn_scale", True),)): (22_756_328, None, 6_206),
    ("inception_resnet_v1", "facenet", (("bn_scale", True), ("embedding", 0))): (24_357_096, None, 6_309),
    # no gammas, and 512 numbers with betas between the features and the classifier
    ("inception_resnet_v1", "facenet", ()): (
        24_357_096 - 14_288 - 1_793_000 + 1792 * 512 + 512 + 513_000,
        None,
        6_308,  # 6,308.6 less 1.792 of the classifier, and 0.918 + 0.512
    ),
    ("inception_resnet_v2", "slim", ()): (55_813_192, 59_179_952, 13_156),
    ("inception_resnet_v2", "timm", (("heads", True),)): (55_843_464, 59_211_120, 13_156),
    ("inception_resnet_v2", "paper", (("bn_scale", True), ("heads", True))): (32_433_928, 35_809_776, 9_258),
}

# sections 2 to 8 of the reference: endpoint -> (height = width, channels)
ENDPOINTS = {
    "googlenet": {
        "conv1": (112, 64),
        "pool1": (56, 64),
        "norm1": (56, 64),
        "conv2_reduce": (56, 64),
        "conv2": (56, 192),
        "norm2": (56, 192),
        "pool2": (28, 192),
        "inception_3a": (28, 256),
        "inception_3b": (28, 480),
        "pool3": (14, 480),
        "inception_4a": (14, 512),
        "inception_4b": (14, 512),
        "inception_4c": (14, 512),
        "inception_4d": (14, 528),
        "inception_4e": (14, 832),
        "pool4": (7, 832),
        "inception_5a": (7, 832),
        "inception_5b": (7, 1024),
    },
    "inception_v3": {
        "conv2d_1a": (149, 32),
        "conv2d_2a": (147, 32),
        "conv2d_2b": (147, 64),
        "max_pool_3a": (73, 64),
        "conv2d_3b": (73, 80),
        "conv2d_4a": (71, 192),
        "max_pool_5a": (35, 192),
        "mixed_5b": (35, 256),
        "mixed_5c": (35, 288),
        "mixed_5d": (35, 288),
        "mixed_6a": (17, 768),
        "mixed_6b": (17, 768),
        "mixed_6c": (17, 768),
        "mixed_6d": (17, 768),
        "mixed_6e": (17, 768),
        "mixed_7a": (8, 1280),
        "mixed_7b": (8, 2048),
        "mixed_7c": (8, 2048),
    },
    "bn_inception": {
        "conv1": (112, 64),
        "pool1": (56, 64),
        "conv2_reduce": (56, 64),
        "conv2": (56, 192),
        "pool2": (28, 192),
        "inception_3a": (28, 256),
        "inception_3b": (28, 320),
        "inception_3c": (14, 576),
        "inception_4a": (14, 576),
        "inception_4b": (14, 576),
        "inception_4c": (14, 608),
        "inception_4d": (14, 608),
        "inception_4e": (7, 1056),
        "inception_5a": (7, 1024),
        "inception_5b": (7, 1024),
    },
    "inception_v2": {
        "conv1": (149, 32),
        "conv2": (147, 32),
        "conv3": (147, 64),
        "pool1": (73, 64),
        "conv4": (71, 80),
        "conv5": (35, 192),
        "conv6": (35, 288),
        **{f"mixed_5{letter}": (35, 288) for letter in "bcd"},
        **{f"mixed_6{letter}": (17, 768) for letter in "abcdef"},
        "mixed_7a": (8, 1280),
        "mixed_7b": (8, 2048),
        "mixed_7c": (8, 2048),
    },
    "inception_v4": {
        "conv2d_1a": (149, 32),
        "conv2d_2a": (147, 32),
        "conv2d_2b": (147, 64),
        "mixed_3a": (73, 160),
        "mixed_4a": (71, 192),
        **{f"mixed_5{letter}": (35, 384) for letter in "abcde"},
        **{f"mixed_6{letter}": (17, 1024) for letter in "abcdefgh"},
        **{f"mixed_7{letter}": (8, 1536) for letter in "abcd"},
    },
    "inception_resnet_v1": {
        "conv2d_1a": (149, 32),
        "conv2d_2a": (147, 32),
        "conv2d_2b": (147, 64),
        "max_pool_3a": (73, 64),
        "conv2d_3b": (73, 80),
        "conv2d_4a": (71, 192),
        "conv2d_4b": (35, 256),
        **{f"block35_{n}": (35, 256) for n in range(1, 6)},
        "mixed_6a": (17, 896),
        **{f"block17_{n}": (17, 896) for n in range(1, 11)},
        "mixed_7a": (8, 1792),
        **{f"block8_{n}": (8, 1792) for n in range(1, 6)},
    },
    "inception_resnet_v2": {
        "conv2d_1a": (149, 32),
        "conv2d_2a": (147, 32),
        "conv2d_2b": (147, 64),
        "max_pool_3a": (73, 64),
        "conv2d_3b": (73, 80),
        "conv2d_4a": (71, 192),
        "max_pool_5a": (35, 192),
        "mixed_5b": (35, 320),
        **{f"block35_{n}": (35, 320) for n in range(1, 11)},
        "mixed_6a": (17, 1088),
        **{f"block17_{n}": (17, 1088) for n in range(1, 21)},
        "mixed_7a": (8, 2080),
        **{f"block8_{n}": (8, 2080) for n in range(1, 11)},
        "conv2d_7b": (8, 1536),
    },
}

# weights and multiply-adds (millions) of each row, same sections
GOOGLENET_WEIGHTS = {
    "conv1": (9_408, 118.0),
    "inception_3a": (163_328, 128.0),
    "inception_3b": (388_096, 304.3),
    "inception_4a": (375_552, 73.6),
    "inception_4b": (448_512, 87.9),
    "inception_4c": (509_440, 99.9),
    "inception_4d": (604_672, 118.5),
    "inception_4e": (867_328, 170.0),
    "inception_5a": (1_042_432, 51.1),
    "inception_5b": (1_442_816, 70.7),
    "logits": (1_024_000, 1.0),
}
V3_WEIGHTS = {
    "conv2d_1a": (864, 19.2),
    "conv2d_2a": (9_216, 199.1),
    "conv2d_2b": (18_432, 398.3),
    "conv2d_3b": (5_120, 27.3),
    "conv2d_4a": (138_240, 696.9),
    "mixed_5b": (254_976, 312.3),
    "mixed_5c": (276_480, 338.7),
    "mixed_5d": (284_160, 348.1),
    "mixed_6a": (1_152_000, 401.9),
    "mixed_6b": (1_294_336, 374.1),
    "mixed_6c": (1_687_552, 487.7),
    "mixed_6d": (1_687_552, 487.7),
    "mixed_6e": (2_138_112, 617.9),
    "mixed_7a": (1_695_744, 291.0),
    "mixed_7b": (5_038_080, 322.4),
    "mixed_7c": (6_070_272, 388.5),
    "logits": (2_048_000, 2.0),
}


def abstract(network, size, batch=1):
    return abstract_variables(network, jax.ShapeDtypeStruct((batch, size, size, 3), jnp.float32))


@pytest.mark.parametrize(("name", "variant", "options"), REFERENCE)
def test_totals_equal_the_reference(name, variant, options):
    main, with_heads, millions = REFERENCE[name, variant, options]
    table = costs(models.create(name, variant=variant, **dict(options)), models.architecture(name).input_size)
    used = [cost for cost in table if not cost.name.startswith("aux")]
    assert sum(cost.parameters for cost in used) == main
    if millions:
        assert round(sum(cost.multiply_adds for cost in used) / 1e6) == pytest.approx(millions, abs=0.5)
    if with_heads:
        assert sum(cost.parameters for cost in table) == with_heads


def test_every_variant_is_in_the_reference_or_has_a_reason():
    listed = {(name, variant) for name, variant, _ in REFERENCE}
    every = {(name, variant) for name in models.names() for variant in models.variants(name)}
    assert every - listed == {("googlenet", "naive")}  # no paper or code has this whole network


@pytest.mark.parametrize("name", ENDPOINTS)
def test_endpoint_shapes(name):
    network = models.create(name)
    size = models.architecture(name).input_size
    images = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    out = jax.eval_shape(network.apply, abstract(network, size), images)
    assert {k: v.shape for k, v in out.endpoints.items()} == {
        k: (2, side, side, channels) for k, (side, channels) in ENDPOINTS[name].items()
    }
    assert out.logits.shape == (2, 1000)
    assert out.features.shape == (2, list(ENDPOINTS[name].values())[-1][1])
    assert out.aux_logits == ()


@pytest.mark.parametrize(
    ("name", "weights", "total", "heads"),
    [("googlenet", GOOGLENET_WEIGHTS, 1.583e9, 0.0084e9), ("inception_v3", V3_WEIGHTS, 5.713e9, 0.006e9)],
)
def test_rows_cost_what_the_reference_says(name, weights, total, heads):
    network = models.create(name)
    table = {cost.name: cost for cost in costs(network, models.architecture(name).input_size)}
    params = abstract(network, models.architecture(name).input_size)["params"]
    for row, (count, millions) in weights.items():
        kernels = [leaf for path, leaf in jax.tree.leaves_with_path(params[row]) if path[-1].key == "kernel"]
        assert count_parameters(kernels) == count
        assert round(table[row].multiply_adds / 1e6, 1) == millions
    main = sum(cost.multiply_adds for cost in table.values() if not cost.name.startswith("aux"))
    assert abs(main - total) <= 0.5e6
    assert abs(sum(cost.multiply_adds for cost in table.values()) - main - heads) <= 0.5e6


@pytest.mark.parametrize("name", models.names())
def test_map_sizes_are_those_of_the_computation(name):
    for variant in models.variants(name):
        network = models.create(name, variant=variant, width=0.05, num_classes=0)
        smallest = models.smallest_input(network.rows)
        variables = abstract(network, smallest)
        for size in (smallest, smallest + 1, smallest + 38):
            out = jax.eval_shape(network.apply, variables, jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32))
            side = size
            for row, operation in network.rows:
                side = map_side(operation, side)
                assert out.endpoints[row].shape[1:3] == (side, side), f"{variant} at {size}: {row}"


def test_smallest_input_is_legal_and_one_less_is_not():
    network = models.create("inception_v3", width=0.1)
    size = models.smallest_input(network.rows)
    assert size == 75  # the size that timm states for this network
    assert is_too_small(network.rows, size - 1)
    with pytest.raises(models.MapTooSmall, match="mixed_7a: a 3x3 window"):
        abstract(network, size - 1)


def test_a_bfloat16_network_trains_with_logits_and_gradients_in_float32():
    network = models.create("googlenet", num_classes=7, width=0.05, bn_group_size=2, dtype=jnp.bfloat16, modules=3)
    images = jax.random.uniform(jax.random.key(0), (4, 64, 64, 3), minval=-1)
    variables = jax.jit(network.init)(jax.random.key(1), images)

    @jax.jit
    def gradient(params):
        def loss(params):
            rngs = {"dropout": jax.random.key(2)}
            out: Any = network.apply({**variables, "params": params}, images, train=True, rngs=rngs)
            assert {leaf.dtype for leaf in out.endpoints.values()} == {jnp.dtype(jnp.bfloat16)}
            assert all(z.shape == (4, 7) and z.dtype == jnp.float32 for z in (out.logits, *out.aux_logits))
            return sum((z * jnp.arange(7.0)).sum() for z in (out.logits, *out.aux_logits))

        return jax.grad(loss)(params)

    for path, leaf in jax.tree.leaves_with_path(gradient(variables["params"])):
        assert leaf.dtype == jnp.float32, jax.tree_util.keystr(path)
        assert jnp.isfinite(leaf).all(), jax.tree_util.keystr(path)
        assert jnp.abs(leaf).max() > 0, jax.tree_util.keystr(path)


def test_a_feature_extractor_has_no_classifier():
    network = models.create("googlenet", num_classes=0, width=0.05)
    variables = abstract(network, 32)
    assert {"logits", "aux1", "aux2"}.isdisjoint(variables["params"])
    out = jax.eval_shape(network.apply, variables, jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32))
    assert out.logits is None
    assert out.features.shape == (1, out.endpoints["inception_5b"].shape[-1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "google_net"}, "no network is called 'google_net'; did you mean googlenet?"),
        ({"name": "googlenet", "variant": "papper"}, "did you mean paper?"),
        (
            {"name": "googlenet", "stem_strid": 1},
            "no option of googlenet is called 'stem_strid'; did you mean stem_stride?",
        ),
        ({"name": "inception_v3", "bn_scale": 1}, "option bn_scale of inception_v3 must be bool, got 1"),
        (
            {"name": "bn_inception", "activation": "tanh"},
            "option activation of bn_inception must be one of relu, sigmoid; got 'tanh'",
        ),
        ({"name": "inception_v2", "modules_17": 1}, "option modules_17 of inception_v2 must be 2 to 7, got 1"),
        ({"name": "googlenet", "num_classes": -1}, "num_classes must be 0 or more, got -1"),
        ({"name": "googlenet", "width": 0.0}, r"width must lie in \(0, 8\], got 0.0"),
    ],
)
def test_bad_requests_are_named(arguments, message):
    name = arguments.pop("name")
    with pytest.raises(ValueError, match=message):
        models.create(name, **arguments)


def test_facenet_embeds_faces_on_the_unit_sphere():
    network = models.create("inception_resnet_v1", variant="facenet", num_classes=0, width=0.05, embedding=24)
    images = jax.random.uniform(jax.random.key(0), (3, 80, 80, 3), minval=-1)
    variables = jax.jit(network.init)(jax.random.key(1), images)
    assert set(variables["params"]["bottleneck"]) == {"kernel", "norm"}
    out: Any = jax.jit(network.apply)(variables, images)
    assert out.logits is None
    assert out.embedding.shape == (3, 24)
    assert jnp.allclose((out.embedding**2).sum(1), 1.0, atol=1e-5)


def test_a_sigmoid_network_has_no_other_activation():
    network = models.create("bn_inception", activation="sigmoid", num_classes=3, width=0.05)
    images = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    operations = str(jax.make_jaxpr(network.apply)(abstract(network, 32), images))
    assert "logistic" in operations
    assert "relu" not in operations
    plain = models.create("bn_inception", num_classes=3, width=0.05)
    operations = str(jax.make_jaxpr(plain.apply)(abstract(plain, 32), images))
    assert "relu" in operations
    assert "logistic" not in operations
