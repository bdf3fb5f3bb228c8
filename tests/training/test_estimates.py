import dataclasses

import pytest

from inception_jax import models
from inception_jax.config import Config, Data
from inception_jax.config.mesh import Mesh
from inception_jax.distributed.hlo import Collective
from inception_jax.distributed.tpu import slice_named
from inception_jax.models import cost
from inception_jax.training.ahead_of_time import Program
from inception_jax.training.estimates import Estimate, does_not_fit, model_flops

PROGRAM = Program(
    parameters=100,
    optimizer=200,
    averages=100,
    activations=1000,
    peak=1500,
    flops=3e12,
    traffic=6e10,
    cycles=15_000_000,
    collectives=(Collective("all-reduce", 300, 50_000_000), Collective("all-reduce", 3, 12)),
    compile_seconds=200.0,
)
CONFIG = Config(batch_size=2048, epochs=100.0, data=Data(source="tfds:imagenet2012"))
IMAGES = 1_281_167


def estimate(topology="v5e-64", program=PROGRAM, config=CONFIG):
    return Estimate(slice_named(topology), program, config, IMAGES, model_flops=35_000_000_000)


def test_time_follows_from_cycles_and_bandwidths():
    found = estimate()
    # 64 chips in an 8x8 mesh: 2 x 50 MB x 63/64 over two links of 45 GB/s, and 2 x 14 hops of 1 us, twice.
    links = 2 * 50_000_012 * 63 / 64 / 90e9 + 2 * 28e-6
    seconds = 15e6 / (197e12 / 131072) + links
    assert found.interconnect_seconds == pytest.approx(links, rel=1e-9)
    assert found.step_seconds == pytest.approx(seconds, rel=1e-9)
    row = found.row()
    assert row["images_per_second"] == pytest.approx(2048 / seconds)
    assert row["model_flops_utilisation"] == pytest.approx(35e9 * 32 / seconds / 197e12)
    assert row["steps"] == round(100 * IMAGES / 2048)
    assert row["chip_hours"] == pytest.approx(row["steps"] * seconds / 3600 * 64)
    assert row["decoded_per_second_and_host"] == pytest.approx(2048 / seconds / 16)
    assert (row["collectives"], row["collective_bytes"]) == ("2 all-reduce", 50_000_012)
    assert row["flops_per_byte"] == 50


def test_a_scatter_and_a_gather_cost_what_their_all_reduce_costs():
    whole, part = 64_000_000, 64_000_000 // 64
    halves = (Collective("reduce-scatter", 1, part), Collective("all-gather", 1, whole))
    found = estimate(program=dataclasses.replace(PROGRAM, collectives=halves))
    assert found.interconnect_seconds == pytest.approx(found.where.all_reduce_seconds(whole))


def test_the_parts_of_a_state_that_is_split_are_those_of_the_model_axis():
    scatter = (Collective("reduce-scatter", 1, 1_000_000),)
    program, config = dataclasses.replace(PROGRAM, collectives=scatter), dataclasses.replace(CONFIG, mesh=Mesh(model=4))
    found = estimate(program=program, config=config)
    assert found.interconnect_seconds == pytest.approx(found.where.all_reduce_seconds(4_000_000) / 2)


def test_a_loop_of_collectives_counts_each_time():
    looped = dataclasses.replace(PROGRAM, collectives=(Collective("all-reduce", 1, 1000, times=5),))
    row = estimate(program=looped).row()
    assert (row["collectives"], row["collective_bytes"]) == ("5 all-reduce", 5000)
    assert row["interconnect_seconds"] == pytest.approx(5 * slice_named("v5e-64").all_reduce_seconds(1000))


def test_model_operations_are_three_forward_passes_with_the_auxiliary_heads():
    network = models.create("googlenet", width=0.05, num_classes=10)
    plain = models.create("googlenet", width=0.05, num_classes=10, aux=False)
    rows = cost.costs(network, 64)
    assert model_flops(network, 64) == 6 * sum(row.multiply_adds for row in rows)
    assert model_flops(plain, 64) < model_flops(network, 64)


def test_what_does_not_fit_has_a_row_too():
    row = does_not_fit(slice_named("v5e-64"), CONFIG, 20 * 2**30)
    assert (row["fits"], row["peak_bytes"], row["images_per_chip"]) == (False, 20 * 2**30, 32)
    assert "step_seconds" not in row
