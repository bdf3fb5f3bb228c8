"""The benchmark of test-time views: what it writes, and the arithmetic of its table."""

import json

from benchmarks import views
from tests.fake_network import FakeNetwork

RUN = {
    "command": "python benchmarks/views.py googlenet",
    "network": "googlenet",
    "variant": "torchvision",
    "protocol": "144",
    "image_size": 224,
    "width": 1.0,
    "rounds": 3,
    "views": 144,
    "environment": {
        "date": "2026-11-24",
        "cpu": "A CPU",
        "cores": 2,
        "load": 0.1,
        "python": "3.11.9",
        "git_commit": "01ab",
    },
    "versions": {"jax": "0.10.2"},
    # The machine was half as fast in the second round, which the ratio does not see.
    "protocol_seconds": [6.0, 11.0, 5.5],
    "single_seconds": [6.0, 10.0, 5.0],
    "host_seconds": [0.02, 0.03, 0.01],
}


def test_a_ratio_is_formed_inside_a_round():
    row = views.row(RUN)
    assert row["ratio"] == "1.10 (1.00 to 1.10)"
    assert (row["s an image"], row["s of as many single crops"], row["host ms an image"]) == (6.0, 6.0, 20.0)


def test_the_section_names_command_machine_and_versions():
    text = views.section([RUN])
    assert "$ python benchmarks/views.py googlenet\n" in text
    assert "| 1.10 (1.00 to 1.10) |" in text
    assert "A CPU, 2 cores, load 0.1 before it began, 3 rounds. Python 3.11.9, jax 0.10.2; commit `01ab`" in text
    assert views.section([]) == ""


def test_a_network_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(views, "build_network", lambda config, classes: FakeNetwork(classes, aux=False))
    words = ["googlenet", "--width=0.05", "--image-size=32", "--rounds=2", "--protocol=10", f"--results={tmp_path}"]
    assert views.main(words) == 0
    [path] = (tmp_path / "views").iterdir()
    run = json.loads(path.read_text())
    assert path.name == "googlenet-torchvision-32px-10-width0.05.json"
    assert run["views"] == 10
    for name in ("protocol_seconds", "single_seconds", "host_seconds"):
        assert len(run[name]) == 2
        assert min(run[name]) > 0
