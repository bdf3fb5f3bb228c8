import hypothesis.strategies as st
from hypothesis import given

from inception_jax.training.largest_batch import largest_that_fits


def search(memory, available, limit):
    tries = []

    def needed(number):
        assert 1 <= number <= limit
        assert number not in tries
        tries.append(number)
        return memory(number), memory(number) <= available

    return largest_that_fits(needed, available, limit), tries


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=60),
    st.integers(1, 20_000),
)
def test_the_largest_of_any_growing_demand_is_found(steps, available):
    sizes = [sum(steps[: i + 1]) + i for i in range(len(steps))]
    found, tries = search(lambda number: sizes[number - 1], available, len(steps))
    assert found == sum(size <= available for size in sizes)
    assert len(tries) <= 24


@given(st.integers(1, 2000), st.integers(0, 5000), st.integers(1, 500))
def test_where_memory_grows_in_proportion_few_compilations_do(per_image, state, fits):
    available = state + per_image * fits + per_image // 2
    found, tries = search(lambda number: state + per_image * number, available, 2**14)
    assert found == fits
    assert len(tries) <= 7  # 1, 8 and 64 on the way up, then the line and its neighbours
    assert max(tries) <= 8 * max(found, 1)


@given(st.integers(1, 100), st.integers(1, 300), st.integers(0, 300))
def test_where_a_compiler_makes_do_with_the_same_memory_few_compilations_fit(per_image, short, more):
    """Those that do not fit fail early; one that fits is compiled to its end, in minutes."""
    available = per_image * short + per_image // 2

    def memory(number):
        return per_image * number if number > short + more else min(per_image * number, available)

    found, tries = search(memory, available, 2**14)
    compiled = [number for number in tries if memory(number) <= available]
    assert found == short + more
    assert max(tries) <= 8 * found
    assert len(compiled) <= 2 * found.bit_length() + 1  # doubled up to it, halved down to it
