"""`config.evaluation`: to which sides a protocol resizes images, and which combinations are refused."""

import pytest

from inception_jax.config import ConfigError, resolve, view_scales


def scales_of(protocol, size, scales="ratios"):
    evaluation = {"protocol": protocol, "scales": scales}
    return view_scales(resolve({"data": {"image_size": size}, "evaluation": evaluation}))


@pytest.mark.parametrize(
    ("protocol", "size", "scales", "expected"),
    [
        ("single", 224, "ratios", ()),
        ("144", 224, "ratios", (256, 288, 320, 352)),  # Going Deeper with Convolutions, section 7
        ("144", 299, "ratios", (342, 384, 427, 470)),  # in proportion, as docs/evaluation.md says
        ("144", 299, "soeaver", (320, 352, 384, 416)),
        ("144", 299, "299,300, 301 ,302", (299, 300, 301, 302)),
        ("144", 4096, "ratios", (4681, 5266, 5851, 6437)),
        ("12", 299, "ratios", (342,)),
        ("12", 299, "soeaver", (320,)),
        ("10", 224, "ratios", (256,)),  # Caffe's and Krizhevsky's square
        ("10", 224, "224", (224,)),
        ("144", 1, "ratios", (1, 1, 1, 2)),
    ],
)
def test_scales(protocol, size, scales, expected):
    assert scales_of(protocol, size, scales) == expected


@pytest.mark.parametrize(
    ("protocol", "size", "scales", "message"),
    [
        (
            "144",
            299,
            "256,288,320,352",
            "config.evaluation.scales (256,288,320,352): 256 is below config.data.image_size (299); "
            "a view is cut from a square of at least that side",
        ),
        ("144", 224, "soeaver", "config.evaluation.scales 'soeaver' is for config.data.image_size 299, not 224"),
        ("144", 224, "256", "config.evaluation.scales must be 4 numbers for protocol 144, got '256'"),
        ("12", 224, "256,288", "config.evaluation.scales must be 1 number for protocol 12, got '256,288'"),
        ("single", 224, "ratio", "config.evaluation.scales must be 'ratios', 'soeaver' or numbers up to 8192"),
        ("144", 224, "256,288,320,", "such as '256,288,320,352', got '256,288,320,'"),
        ("144", 224, "-256,288,320,352", "got '-256,288,320,352'"),
        ("144", 224, "256,288,320,8193", "numbers up to 8192"),
        ("11", 224, "ratios", "config.evaluation.protocol must be one of single, 10, 12, 144, got '11'"),
    ],
)
def test_scales_that_cannot_be_are_named_in_one_line(protocol, size, scales, message):
    with pytest.raises(ConfigError) as error:
        scales_of(protocol, size, scales)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_three_squares_of_a_warped_image_are_refused():
    for protocol in ("10", "12"):
        resolve({"evaluation": {"protocol": protocol, "square": "warp"}})
    with pytest.raises(ConfigError, match=r"square 'warp' is for protocols 10 and 12; 144 cuts three squares a scale$"):
        resolve({"evaluation": {"protocol": "144", "square": "warp"}})
