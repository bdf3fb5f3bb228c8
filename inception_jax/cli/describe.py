"""`inception-jax describe`."""

from __future__ import annotations

import argparse
from typing import Any

from inception_jax import models
from inception_jax.cli.config_flags import add_config_argument, load_config
from inception_jax.config import Config, ConfigError, defaults, resolve
from inception_jax.models.cost import Cost, costs, total
from inception_jax.models.table import notation
from inception_jax.reporting.tables import FORMATS, render
from inception_jax.training.experiment import build_network

COLUMNS = ("layer", "operation", "output", "parameters", "multiply_adds", "paper_params", "paper_ops")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    parser.add_argument("network", nargs="?", help=f"{', '.join(models.names())}; or name an experiment instead")
    parser.add_argument("--variant", help="a form of the network; default: its first")
    parser.add_argument("--width", type=float, help="channel multiplier; default: 1")
    parser.add_argument("--image-size", type=int, help="pixels of a side; default: the paper's")
    parser.add_argument("--num-classes", type=int, default=1000, help="default: 1000")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the table is printed")
    add_config_argument(parser, "describe the network of this experiment")


def run(arguments: argparse.Namespace) -> int:
    """Prints one line a row of the network, then the totals."""
    if bool(arguments.network) == bool(arguments.config_flags):
        raise ConfigError("name either a network or an experiment with --config=FILE")
    own_flags = (arguments.variant, arguments.width, arguments.image_size)
    if arguments.config_flags and any(value is not None for value in own_flags):
        raise ConfigError(
            "--variant, --width and --image-size go with the name of a network; change an experiment with "
            "--config.model.variant, --config.model.width and --config.data.image_size"
        )
    config = load_config(arguments.config_flags) if arguments.config_flags else _config_of(arguments)
    model, size = config.model, config.data.image_size
    network = build_network(config, arguments.num_classes)
    arch = models.architecture(model.name, model.variant, **model.options)
    as_printed = model.width == 1 and size == arch.input_size and not arguments.config_flags
    published = arch.published if as_printed else {}
    counted = costs(network, size)
    rows = [_row(cost, network, published.get(cost.name, {})) for cost in counted]
    heads = {head.name for head in network.heads}
    used = total("total, as used", (cost for cost in counted if cost.name not in heads))
    rows += [_row(used, network, published.get("total", {}))]
    if heads:
        rows += [_row(total("total, in training", counted), network, {})]
    print(render(rows, COLUMNS, arguments.format))
    if arguments.format == "table":
        shown = f"{model.name} {model.variant or next(iter(models.variants(model.name)))}"
        print(
            f"\n{shown}, width {model.width:g}, {size}x{size}x3; smallest input {models.smallest_input(network.rows)}"
        )
    return 0


def _config_of(arguments: argparse.Namespace) -> Config:
    """The config of a network that is named on the command line."""
    try:
        own_size = models.architecture(arguments.network, arguments.variant or "").input_size
    except ValueError as error:
        raise ConfigError(str(error)) from error
    config = defaults()
    config.model.update(name=arguments.network, variant=arguments.variant or "")
    if arguments.width is not None:
        config.model.width = arguments.width
    config.data.image_size = own_size if arguments.image_size is None else arguments.image_size
    return resolve(config)


def _row(cost: Cost, network: models.Network, published: dict[str, str]) -> dict[str, Any]:
    operations = dict(network.rows) | {head.name: head for head in network.heads}
    match operations.get(cost.name):
        case None:
            operation = f"linear {cost.shape[0]}" if cost.shape else None
        case models.AuxiliaryHead() as head:
            operation = f"(on {head.after}) " + " -> ".join(notation(operation) for _, operation in head.rows)
        case row:
            operation = notation(row)
    return {
        "layer": cost.name,
        "operation": operation,
        "output": "x".join(map(str, cost.shape)) or None,
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds,
        "paper_params": published.get("params"),
        "paper_ops": published.get("ops"),
    }
