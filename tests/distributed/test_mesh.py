import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.sharding import AxisType, PartitionSpec

from inception_jax.config import Config, ConfigError, Mesh
from inception_jax.distributed.mesh import batch_sharding, make_mesh, mesh_of, put_batch, replicated, state_shardings


@pytest.mark.parametrize(("devices", "model"), [(1, 1), (2, 1), (8, 1), (8, 2), (8, 8)])
def test_a_batch_is_spread_over_all_devices_in_order(devices, model):
    mesh = make_mesh(jax.devices()[:devices], model=model)
    rows = np.arange(16 * 3, dtype=np.uint8).reshape(16, 3)
    array = put_batch({"image": rows}, mesh)["image"]
    assert array.sharding == batch_sharding(mesh)
    for shard, expected in zip(array.addressable_shards, np.split(rows, devices), strict=True):
        np.testing.assert_array_equal(shard.data, expected)


def test_the_default_mesh_has_every_device_along_data():
    mesh = make_mesh()
    assert dict(mesh.shape) == {"data": len(jax.devices()), "model": 1}
    assert mesh.axis_types == (AxisType.Auto, AxisType.Auto)
    assert jax.device_put(np.ones(3), replicated(mesh)).sharding.is_fully_replicated


def test_devices_lie_in_the_order_of_their_processes():
    class Device:
        def __init__(self, process_index, number):
            self.process_index, self.id = process_index, number
            self.platform = "cpu"

    # As a TPU slice numbers them, hosts of 2 x 2 chips in rows of the whole slice.
    devices = [Device(number // 2 % 2, number) for number in range(8)]
    mesh = make_mesh(devices, model=4)
    assert [[d.process_index for d in row] for row in mesh.devices] == [[0] * 4, [1] * 4]
    assert [d.id for d in mesh.devices.flat] == [0, 1, 4, 5, 2, 3, 6, 7]


@pytest.mark.parametrize(
    ("mesh", "shape"),
    [(Mesh(), (8, 1)), (Mesh(model=4), (2, 4)), (Mesh(data=8), (8, 1)), (Mesh(data=4, model=2), (4, 2))],
)
def test_the_config_lays_out_the_devices(mesh, shape):
    assert tuple(mesh_of(Config(mesh=mesh)).shape.values()) == shape


@pytest.mark.parametrize(
    ("mesh", "message"),
    [
        (Mesh(model=3), r"a multiple of 3 devices .*there are 8"),
        (Mesh(data=4), r"4 x 1 = 4 devices .*there are 8"),
        (Mesh(data=4, model=4), r"4 x 4 = 16 devices .*there are 8"),
    ],
)
def test_devices_that_do_not_make_the_grid_are_refused(mesh, message):
    with pytest.raises(ConfigError, match=message):
        mesh_of(Config(mesh=mesh))


@pytest.mark.parametrize(
    ("shape", "spec"),
    [
        ((3, 3, 64, 192), PartitionSpec(None, None, None, "model")),
        ((1, 1, 480, 64), PartitionSpec(None, None, "model")),
        ((1024, 1000), PartitionSpec("model")),
        ((64, 64), PartitionSpec(None, "model")),
        ((1001, 64), PartitionSpec(None, "model")),
        ((4001,), PartitionSpec()),  # nothing to divide
        ((1000,), PartitionSpec()),  # small
        ((), PartitionSpec()),
    ],
)
def test_the_longest_divisible_axis_of_a_big_array_is_split(shape, spec):
    mesh = make_mesh(model=4)
    found = state_shardings(jax.ShapeDtypeStruct(shape, np.float32), mesh, 2048)
    assert found.is_equivalent_to(jax.NamedSharding(mesh, spec), len(shape))


@given(st.lists(st.integers(1, 64), max_size=4), st.sampled_from([1, 2, 4, 8]), st.integers(1, 4096))
def test_every_shard_is_whole_and_equal(shape, model, smallest):
    mesh = make_mesh(model=model)
    sharding = state_shardings(jax.ShapeDtypeStruct(shape, np.float32), mesh, smallest)
    part = np.prod(sharding.shard_shape(tuple(shape)))
    whole = np.prod(shape)
    assert part in (whole, whole / model)
    assert part == whole or whole >= smallest
    divisible = model > 1 and any(length % model == 0 for length in shape)
    assert (part < whole) == bool(divisible and whole >= smallest)
