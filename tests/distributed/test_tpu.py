import importlib.util

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from inception_jax.distributed import tpu
from inception_jax.distributed.mesh import make_mesh
from inception_jax.distributed.tpu import CHIPS, TopologyError, compile_only_devices, slice_named

EVERY = [tpu.Slice(kind, shape) for kind, chip in CHIPS.items() for shape in chip.shapes]


@pytest.mark.parametrize("where", EVERY, ids=lambda where: where.name)
def test_every_slice_is_found_by_its_name(where):
    assert slice_named(where.name) == where
    assert slice_named(f"3x{where.name}").chips == 3 * where.chips


@pytest.mark.parametrize(
    ("name", "chips", "hosts"), [("v5e-1", 1, 1), ("v5e-16", 16, 4), ("v4-32", 16, 4), ("v5p-4096", 2048, 512)]
)
def test_names_count_what_googles_names_count(name, chips, hosts):
    where = slice_named(name)
    assert (where.chips, where.hosts) == (chips, hosts)


@pytest.mark.parametrize(
    ("name", "known"), [("v5e-7", "v5e-1|4|8"), ("v9-8", "v6e-1|4|8"), ("v5e", "v4-8|16"), ("0xv5e-8", "2xv5e-256")]
)
def test_an_unknown_slice_is_refused_with_those_that_exist(name, known):
    with pytest.raises(TopologyError, match=f"{name!r} is unknown.*{known.replace('|', '.')}"):
        slice_named(name)


def test_clocks_are_those_that_are_published():
    # Jouppi et al. 2023 (arXiv 2304.01433): 1050 MHz; "How to Scale Your Model", chapter 2: 1.5 GHz.
    published = {"v4": 1.05e9, "v5e": 1.5e9}
    assert {kind: CHIPS[kind].clock for kind in published} == pytest.approx(published, rel=3e-3)


def test_an_all_reduce_takes_what_a_ring_of_neighbours_takes():
    """Against a walk round the ring: each chip passes on a part to both sides, 2 (n - 1) times."""
    where, size, n = slice_named("v5e-256"), 64e6, 256
    part = size / n / 4  # four directions at once
    walked = sum(part / where.chip.link for _ in range(2 * (n - 1)))
    hops = 2 * (8 + 8) * 1e-6
    assert where.all_reduce_seconds(size) == pytest.approx(walked + hops, rel=1e-9)
    line = slice_named("v5e-64")  # two lines, which have half the links of two rings
    assert line.all_reduce_seconds(size) == pytest.approx(2 * size * (63 / 64) / (2 * 45e9) + 2 * 14e-6, rel=1e-9)


def test_slices_exchange_their_share_over_the_slow_network():
    one, eight = slice_named("v5e-256"), slice_named("8xv5e-256")
    more = eight.all_reduce_seconds(64e6) - one.all_reduce_seconds(64e6)
    assert more == pytest.approx(2 * (64e6 / 256) * (7 / 8) / 3.125e9)
    assert slice_named("v5e-1").all_reduce_seconds(64e6) == 0


def test_without_a_compiler_the_message_says_where_it_comes_from(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TopologyError, match=r"pip install 'inception-jax\[tpu\]'"):
        compile_only_devices(slice_named("v5e-8"))


@pytest.fixture(scope="module")
def compiler():
    pytest.importorskip("libtpu", reason="no TPU compiler: libtpu is not installed")


@pytest.mark.parametrize("name", ["v5e-1", "v5e-64", "v4-32", "v5p-128", "v6e-16", "2xv5e-256"])
def test_the_compiler_knows_the_slice_as_we_do(compiler, name):
    where = slice_named(name)
    devices = compile_only_devices(where)
    assert len(devices) == where.chips
    assert len({device.process_index for device in devices}) == where.hosts


@pytest.mark.parametrize("kind", CHIPS)
def test_the_compiler_grants_the_memory_that_we_state(compiler, kind):
    where = tpu.Slice(kind, CHIPS[kind].shapes[1])
    everywhere = NamedSharding(make_mesh(compile_only_devices(where)), PartitionSpec())
    array = jax.ShapeDtypeStruct((2**36,), jnp.float32, sharding=everywhere)
    with pytest.raises(
        jax.errors.JaxRuntimeError, match=rf"exceeds available HBM \({where.chip.hbm_bytes / 2**30:.2f}G\)"
    ):
        jax.jit(lambda x: x[::-1] * 2, out_shardings=everywhere).lower(array).compile()
