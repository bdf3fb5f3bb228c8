"""What TensorFlow's own optimizers, averages and schedules compute, kept in tests/goldens/tensorflow.npz.

python -m tests.goldens.make_tensorflow            writes the file
python -m tests.goldens.make_tensorflow --check    computes again and compares with it

It runs in an environment of its own with tensorflow, which `make goldens-check` makes; the tests of the project need
the file alone.
"""
# pyright: reportMissingImports=false

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

FILE = Path(__file__).with_name("tensorflow.npz")
STEPS = 20
RATES = [0.1 * 0.5 ** (step // 7) for step in range(STEPS)]
OPTIMIZERS = {
    "rmsprop_1": lambda rate: tf.train.RMSPropOptimizer(rate, decay=0.9, momentum=0.9, epsilon=1.0),
    "rmsprop_0.001": lambda rate: tf.train.RMSPropOptimizer(rate, decay=0.9, momentum=0.9, epsilon=0.001),
    "momentum": lambda rate: tf.train.MomentumOptimizer(rate, momentum=0.9),
    "nesterov": lambda rate: tf.train.MomentumOptimizer(rate, momentum=0.9, use_nesterov=True),
}


def computed() -> dict[str, np.ndarray]:
    """Every array of the file."""
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 4)).astype(np.float32)
    gradients = rng.normal(size=(STEPS, 3, 4)).astype(np.float32)
    found: dict[str, np.ndarray] = {"start": start, "gradients": gradients, "rates": np.array(RATES, np.float32)}
    for name, make in OPTIMIZERS.items():
        found[name] = _trained(make, start, gradients)
    found["average"] = _average(start, gradients)
    found["staircase"] = _staircase()
    return found


def _trained(make: Any, start: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """The variable after each step."""
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.get_variable("kernel", initializer=start, use_resource=True)
        gradient = tf.placeholder(tf.float32, start.shape)
        rate = tf.placeholder(tf.float32, ())
        apply = make(rate).apply_gradients([(gradient, variable)])
        session.run(tf.global_variables_initializer())
        after = []
        for values, number in zip(gradients, RATES, strict=True):
            session.run(apply, {gradient: values, rate: number})
            after.append(session.run(variable))
    return np.stack(after)


def _average(start: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The shadow of a variable that takes each of `values` in turn: decay 0.7 with num_updates."""
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.get_variable("kernel", initializer=start, use_resource=True)
        step = tf.placeholder(tf.float32, ())
        value = tf.placeholder(tf.float32, start.shape)
        average = tf.train.ExponentialMovingAverage(0.7, num_updates=step)
        with tf.control_dependencies([variable.assign(value)]):
            apply = average.apply([variable])
        session.run(tf.global_variables_initializer())
        after = []
        for number, new in enumerate(values):
            session.run(apply, {step: number, value: new})
            after.append(session.run(average.average(variable)))
    return np.stack(after)


def _staircase() -> np.ndarray:
    """Learning rates of steps 0 to 49, falling every 16 of them."""
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int32, ())
        rate = tf.train.exponential_decay(0.045, step, 16, 0.94, staircase=True)
        return np.array([session.run(rate, {step: number}) for number in range(50)])


def main() -> int:
    """Writes the file, or compares with it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    check = parser.parse_args().check
    found = computed()
    if not check:
        np.savez(FILE, allow_pickle=False, **found)
        return 0
    with np.load(FILE) as stored:
        different = [name for name in found if not np.allclose(stored[name], found[name], rtol=1e-6, atol=1e-7)]
    print(f"different: {', '.join(different)}" if different else "the same")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
