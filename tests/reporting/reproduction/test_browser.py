"""The page of a report in headless Chromium: light and dark, wide and narrow."""

import html
import json
import os
import re
import shutil
import subprocess

import pytest
from PIL import Image, ImageStat

from inception_jax.reporting.reproduction.comparison import compare
from inception_jax.reporting.reproduction.page import page
from inception_jax.reporting.reproduction.papers import paper_table
from inception_jax.reporting.reproduction.runs import find_runs
from inception_jax.reporting.reproduction.verdicts import verdicts
from tests.reporting.reproduction.made_runs import EXPERIMENTS, bn_ladder

CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is on PATH, and CHROMIUM names none"),
]

# Contrast as WCAG 2 defines it. Texts stand on the page's background, as nothing has another.
MEASURE = """
<script>
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
function rgba(colour) {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
}
function luminance(colour) {
  const [r, g, b] = rgba(colour).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
const background = getComputedStyle(document.body).backgroundColor;
function contrast(colour) {
  const [low, high] = [luminance(colour), luminance(background)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}
const texts = [], strokes = [], small = [], clipped = [];
for (const element of document.body.querySelectorAll("*")) {
  const style = getComputedStyle(element), svg = element instanceof SVGElement, box = element.getBoundingClientRect();
  const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
  if (own && element.tagName !== "SCRIPT" && box.width) {
    texts.push([element.textContent.trim().slice(0, 40), contrast(svg ? style.fill : style.color)]);
    if (box.height < 8) small.push([element.textContent.trim(), box.height]);
    if (!element.closest(".scroll") && box.right > innerWidth + 0.5) clipped.push(element.textContent.trim());
  }
  if (element.tagName === "path" && style.stroke.startsWith("rgb") && /--series/.test(element.getAttribute("style") +
      element.getAttribute("stroke"))) strokes.push(contrast(style.stroke));
}
const found = {
  texts, strokes, small, clipped, width: innerWidth, page: document.documentElement.scrollWidth,
  dark: matchMedia("(prefers-color-scheme: dark)").matches, figures: document.querySelectorAll("figure svg").length,
  scrollers: [...document.querySelectorAll(".scroll")].map(e => [e.clientWidth, e.tabIndex]),
  columns: getComputedStyle(document.querySelector(".figures")).gridTemplateColumns.split(" ").length,
};
const pre = document.createElement("pre"); pre.id = "measured"; pre.textContent = JSON.stringify(found);
document.body.append(pre);
</script>
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    comparison = compare(paper_table("bn-figure-3"), find_runs([bn_ladder(folder / "runs")]), EXPERIMENTS)
    text = page(comparison, verdicts(comparison), folder)
    (folder / "report.html").write_text(text)
    (folder / "measured.html").write_text(text.replace("</body>", MEASURE + "</body>"))
    return folder


def chromium(*arguments: str) -> str:
    # Blink's own enum: 0 is dark, 1 is light.
    command = [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout


@pytest.mark.parametrize("width", [1280, 500], ids=["wide", "narrow"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_is_readable(report, tmp_path, dark, width):
    flags = (f"--window-size={width},1000", f"--blink-settings=preferredColorScheme={0 if dark else 1}")
    dom = chromium(*flags, "--dump-dom", (report / "measured.html").as_uri())
    measured = re.search(r'<pre id="measured">(.*?)</pre>', dom, re.DOTALL)
    assert measured
    found = json.loads(html.unescape(measured[1]))
    assert (found["width"], found["dark"]) == (width, dark)
    assert found["page"] <= width, "the page scrolls sideways"
    assert found["clipped"] == []
    assert found["small"] == []
    assert len(found["texts"]) > 200
    assert [text for text, contrast in found["texts"] if contrast < 4.5] == []
    assert len(found["strokes"]) > 50
    assert min(found["strokes"]) >= 3
    assert found["figures"] == 5
    assert found["columns"] == (1 if width == 500 else 3)
    # What is wider than the page scrolls by itself, with the keyboard too.
    assert all(place <= width and tab == 0 for place, tab in found["scrollers"])

    shot = tmp_path / "shot.png"
    chromium(*flags, f"--screenshot={shot}", (report / "report.html").as_uri())
    with Image.open(shot) as image:
        assert image.size[0] == width
        (mean,) = ImageStat.Stat(image.convert("L")).mean
        assert (mean < 80) if dark else (mean > 200)
        assert len(image.convert("RGB").getcolors(1 << 24) or ()) > 100  # drawn, not blank
