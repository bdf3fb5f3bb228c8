import json
import math

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from inception_jax.reporting.curves import STYLES, plot_run
from inception_jax.reporting.writers import MetricWriter


def write_run(workdir, *, override=None):
    steps, every = 40, 10
    with MetricWriter(workdir) as writer:
        for step in range(1, steps + 1):
            done = step / steps
            train = {
                "train/loss": 2.3 * (1 - done) + 0.05,
                "train/top1": 0.1 + 0.88 * done,
                "train/top5": 0.5 + 0.5 * done,
                "train/learning_rate": 0.1 * (1 + math.cos(math.pi * done)) / 2,
            }
            writer.write(step, train | (override or {}))
            if step % every == 0:
                writer.write(
                    step,
                    {
                        "validation/loss": 2.2 * (1 - done) + 0.1,
                        "validation/top1": 0.05 + 0.9 * done,
                        "validation/top5": 0.45 + 0.5 * done,
                    },
                )


@pytest.fixture
def figures(monkeypatch):
    """The figures that are saved while the test runs, to look at what they hold."""
    saved = []
    original = Figure.savefig

    def savefig(self, *args, **kwargs):
        saved.append(self)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return saved


def lines(figure):
    return {line.get_label(): line for axes in figure.axes for line in axes.get_lines()}


def test_a_picture_of_the_run_appears_beside_its_metrics(tmp_path):
    write_run(tmp_path)
    path = plot_run(tmp_path)
    assert path.parent == tmp_path
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert min(image.size) >= 1000  # 300 dots an inch at a column's 3.3 inches
        colours = {colour for _, colour in image.convert("RGB").getcolors(maxcolors=2**24) or []}
    for name in ("train/loss", "validation/loss"):
        assert tuple(round(255 * channel) for channel in to_rgb(STYLES[name]["color"])) in colours
    assert sorted(file.name for file in tmp_path.iterdir() if "tfevents" not in file.name) == [
        "learning_curves.png",
        "metrics.jsonl",
    ]


def test_each_curve_holds_its_metric(tmp_path, figures):
    write_run(tmp_path)
    plot_run(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    shown = lines(figures[0])
    for name, style in STYLES.items():
        steps, values = zip(*[(row["step"], row[name]) for row in rows if name in row], strict=True)
        scale = 100 if "top" in name else 1
        np.testing.assert_array_equal(shown[style["label"]].get_xdata(), steps)
        np.testing.assert_allclose(shown[style["label"]].get_ydata(), np.multiply(values, scale), rtol=1e-12)


def test_axes_say_what_and_in_which_unit(tmp_path, figures):
    write_run(tmp_path)
    plot_run(tmp_path)
    loss, accuracy, rate = figures[0].axes
    assert loss.get_ylabel() == "loss (nats)"
    assert accuracy.get_ylabel() == "accuracy (%)"
    assert rate.get_ylabel() == "learning rate"
    assert rate.get_xlabel() == "step (updates)"
    assert {text.get_text() for text in accuracy.get_legend().get_texts()} == {
        "training top-1",
        "training top-5",
        "validation top-1",
        "validation top-5",
    }


def test_the_title_gives_last_and_best_validation(tmp_path, figures):
    with MetricWriter(tmp_path) as writer:
        for step, top1 in ((10, 0.5), (20, 0.9125), (30, math.nan), (40, 0.875)):
            writer.write(step, {"validation/top1": top1})
    plot_run(tmp_path)
    title = figures[0].axes[1].get_title(loc="left")
    assert "last 87.50%" in title
    assert "best 91.25% at step 20" in title


def test_what_is_not_finite_is_a_gap(tmp_path, figures):
    write_run(tmp_path, override={"train/loss": math.inf})
    plot_run(tmp_path)
    shown = lines(figures[0])
    assert np.isnan(shown["training"].get_ydata()).all()
    assert np.isfinite(shown["validation"].get_ydata()).all()


@pytest.mark.parametrize(
    ("rates", "scale"),
    [
        ([0.0, *(0.1 * 0.1**k for k in range(5))], "log"),  # a warm-up's first step, then an exponential decay
        ([0.1 * (1 + math.cos(math.pi * k / 9)) / 2 for k in range(10)], "linear"),
        ([0.1, 0.1, 0.1], "linear"),
    ],
)
def test_a_rate_that_decays_over_decades_gets_a_logarithmic_axis(tmp_path, figures, rates, scale):
    with MetricWriter(tmp_path) as writer:
        for step, rate in enumerate(rates, 1):
            writer.write(step, {"train/learning_rate": rate})
    plot_run(tmp_path)
    assert figures[0].axes[2].get_yscale() == scale


def test_one_row_is_a_visible_point(tmp_path, figures):
    with MetricWriter(tmp_path) as writer:
        writer.write(1, {"train/loss": 1.0})
    plot_run(tmp_path)
    assert lines(figures[0])["training"].get_marker() == "o"


@pytest.mark.parametrize("rows", ["", '{"step": 1, "train/images_per_second": 3.0}\n'])
def test_nothing_to_draw_is_said(tmp_path, rows):
    (tmp_path / "metrics.jsonl").write_text(rows)
    with pytest.raises(ValueError, match="nothing to draw"):
        plot_run(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"metrics\.jsonl"):
        plot_run(tmp_path)


def test_a_failed_write_leaves_the_old_picture(tmp_path, monkeypatch):
    write_run(tmp_path)
    path = plot_run(tmp_path)
    before = path.read_bytes()

    def fail(self, target, **kwargs):
        target.write_bytes(b"half a picture")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="No space left"):
        plot_run(tmp_path)
    assert path.read_bytes() == before
    assert not [file for file in tmp_path.iterdir() if "partial" in file.name]
