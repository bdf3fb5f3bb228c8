"""`inception-jax models`."""

import csv
import io
import json

from inception_jax import models
from inception_jax.cli.main import main


def output(capsys, *arguments: str) -> str:
    assert main(["models", *arguments]) == 0
    return capsys.readouterr().out


def test_every_variant_of_the_named_networks_is_a_row(capsys):
    rows = json.loads(output(capsys, "googlenet", "inception_v2", "--format=json"))
    assert [(row["network"], row["variant"]) for row in rows] == [
        (name, variant) for name in ("googlenet", "inception_v2") for variant in models.variants(name)
    ]
    paper = rows[0]
    assert paper["variant"] == "paper"
    assert (paper["parameters"], paper["with_heads"]) == (6_998_552, 13_378_280)
    assert (paper["input"], paper["heads"], paper["paper_ops"]) == (224, 2, "1.5 G")
    assert round(paper["multiply_adds"] / 1e6) == 1583
    by_variant = {row["variant"]: row for row in rows}
    assert by_variant["torchvision"]["weights"] == "torchvision googlenet"
    assert by_variant["table3_baseline"]["paper_ops"] == "3.8 G"


def test_the_formats_hold_the_same_numbers(capsys):
    (row,) = json.loads(output(capsys, "inception_v4", "--format=json"))[1:2]
    lines = list(csv.DictReader(io.StringIO(output(capsys, "inception_v4", "--format=csv"))))
    assert lines[1] == {name: "" if value is None else str(value) for name, value in row.items()}
    assert f"{row['parameters']:,}" in output(capsys, "inception_v4")


def test_an_unknown_network_is_named(capsys):
    assert main(["models", "inception_v5"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no network is called 'inception_v5'; did you mean inception_v" in captured.err
    assert captured.err.count("\n") == 1
