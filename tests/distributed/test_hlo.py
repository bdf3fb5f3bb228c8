import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec

from inception_jax.distributed.hlo import Collective, collectives, estimated_cycles
from inception_jax.distributed.mesh import make_mesh


def compiled(function, *shapes):
    """The text of `function` of arrays whose first axis is spread over eight devices."""
    mesh = make_mesh()
    spread = NamedSharding(mesh, PartitionSpec(("data", "model")))
    arrays = [jax.ShapeDtypeStruct(shape, jnp.float32, sharding=spread) for shape in shapes]
    text = jax.jit(function, out_shardings=NamedSharding(mesh, PartitionSpec())).lower(*arrays).compile().as_text()
    assert text
    return text


def test_a_sum_over_devices_is_an_all_reduce_of_what_is_left():
    assert collectives(compiled(lambda x: x.sum(0), (16, 5, 3))) == [Collective("all-reduce", 1, 5 * 3 * 4)]


def test_sums_that_are_made_together_are_one_all_reduce():
    text = compiled(lambda x, y: (x.sum(0), y.sum(0)), (16, 5), (8, 7))
    assert collectives(text) == [Collective("all-reduce", 2, (5 + 7) * 4)]


def test_gathering_an_array_has_its_whole_size():
    assert collectives(compiled(lambda x: x * 2, (16, 3))) == [Collective("all-gather", 1, 16 * 3 * 4)]


def test_a_collective_of_a_loop_counts_as_often_as_the_loop_runs():
    def loop(x, rounds, y):
        return lax.fori_loop(0, rounds, lambda _, y: jnp.tanh((x * y).sum(0)), y)

    def nested(x):
        return lax.fori_loop(0, 3, lambda _, y: loop(x, 7, y) + 1, jnp.ones(x.shape[1]))

    def runs(function):
        return sum(c.times for c in collectives(compiled(function, (16, 4))) if c.kind == "all-reduce")

    assert runs(lambda x: loop(x, 7, jnp.ones(x.shape[1]))) == 7
    assert runs(nested) == 21


def test_a_program_of_one_device_has_none():
    text = jax.jit(jnp.sum).lower(jnp.ones(3)).compile().as_text()
    assert text
    assert collectives(text) == []


# As libtpu writes them, shortened.
LOOP = """\
HloModule jit_f, is_scheduled=true

%body.1 (p: (s32[], f32[8])) -> (s32[], f32[8]) {
  %p = (s32[], f32[8]{0:T(128)}) parameter(0)
  %fusion.1 = f32[8]{0:T(128)} fusion(%x), kind=kLoop, calls=%fused.1, backend_config={"estimated_cycles":"100"}
  %fusion.2 = f32[8]{0:T(128)} fusion(%x), kind=kLoop, calls=%fused.2, backend_config={"estimated_cycles":"7"}
}

%condition.1 (p: (s32[], f32[8])) -> pred[] {
  %compare = pred[] compare(%a, %b), direction=LT, backend_config={"estimated_cycles":"1"}
}

%unused.1 (p: f32[8]) -> f32[8] {
  %fusion.9 = f32[8]{0:T(128)} fusion(%x), kind=kLoop, calls=%fused.1, backend_config={"estimated_cycles":"999"}
}

ENTRY %main.5 (x: f32[8]) -> f32[8] {
  %all-reduce.97 = (f32[]{:T(128)}, /*index=1*/bf16[104,1000]{1,0:T(8,128)(2,1)S(1)}) all-reduce(%a, %b), channel_id=1
  %while.3 = (s32[], f32[8]{0:T(128)}) while(%t), condition=%condition.1, body=%body.1TRIPS
  ROOT %fusion.5 = f32[8]{0:T(128)} fusion(%x), kind=kLoop, calls=%fused.1, backend_config={"estimated_cycles":"1000"}
}
"""


@pytest.mark.parametrize(
    ("trips", "cycles"), [(', backend_config={"known_trip_count":{"n":"5"}}', 1000 + 5 * 108), ("", 1000 + 108)]
)
def test_cycles_count_loops_as_often_as_they_run(trips, cycles):
    assert estimated_cycles(LOOP.replace("TRIPS", trips)) == cycles


def test_a_combined_all_reduce_of_two_types():
    assert collectives(LOOP) == [Collective("all-reduce", 2, 4 + 2 * 104 * 1000)]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("%s = f32[6]{0} all-reduce-start(%a), channel_id=1", Collective("all-reduce", 1, 24)),
        ("%s = (f32[2]{0}, f32[16]{0}) all-gather-start(%a), dimensions={0}", Collective("all-gather", 1, 64)),
        (
            "%s = (u8[4]{0}, u8[4]{0}, u32[], u32[]) collective-permute-start(%a), channel_id=1",
            Collective("collective-permute", 1, 4),
        ),
        ("%s = pred[9]{0} all-to-all(%a), channel_id=1", Collective("all-to-all", 1, 9)),
        ("%s = (f32[64,8]{1,0}, u32[], token[]) send(%a, %t), channel_id=1", Collective("send", 1, 2048)),
        ("%s = f32[6]{0} all-reduce-done(%a)", None),
        ('%s = f32[6]{0} fusion(%a), metadata={op_name="an all-reduce(x)"}', None),
    ],
)
def test_each_kind_is_counted_once_with_the_size_of_its_result(line, found):
    assert collectives(f"ENTRY %main (a: f32[2]) -> f32[6] {{\n  {line}\n}}\n") == ([found] if found else [])
