import jax
import numpy as np
import pytest
from jax.sharding import AxisType

from inception_jax.distributed.mesh import batch_sharding, make_mesh, put_batch, replicated


@pytest.mark.parametrize("devices", [1, 2, 8])
def test_a_batch_is_spread_over_the_devices_in_order(devices):
    mesh = make_mesh(jax.devices()[:devices])
    rows = np.arange(16 * 3, dtype=np.uint8).reshape(16, 3)
    array = put_batch({"image": rows}, mesh)["image"]
    assert array.sharding == batch_sharding(mesh)
    for shard, expected in zip(array.addressable_shards, np.split(rows, devices), strict=True):
        np.testing.assert_array_equal(shard.data, expected)


def test_the_default_mesh_has_every_device_along_data():
    mesh = make_mesh()
    assert dict(mesh.shape) == {"data": len(jax.devices())}
    assert mesh.axis_types == (AxisType.Auto,)
    assert jax.device_put(np.ones(3), replicated(mesh)).sharding.is_fully_replicated
