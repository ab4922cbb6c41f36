"""The page in a browser: every chart is drawn, no script fails, and nothing is wider than a phone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from lossary.comparison.result import Comparison
from lossary.report import write_comparison

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed: " + ", ".join(NAMES))

PHONE = """<!doctype html><body><iframe src="report.html" style="width:360px;height:740px;border:0"></iframe><script>
const frame = document.querySelector("iframe");
frame.onload = async () => {
  const page = frame.contentDocument, found = {};
  try {
    await frame.contentWindow.drawAll();
    found.state = {...page.documentElement.dataset};
    found.width = page.documentElement.scrollWidth;
    found.charts = [...page.querySelectorAll(".live svg")].map(svg => svg.getBoundingClientRect().right);
    const saved = [];
    frame.contentWindow.HTMLAnchorElement.prototype.click = function () { saved.push(this.href.slice(0, 22)); };
    await frame.contentWindow.save("ranking-chart");
    found.saved = saved;
  } catch (error) { found.error = String(error); }
  document.body.dataset.found = JSON.stringify(found);
};
</script></body>"""


def opened(page: Path, profile: Path, *options: str) -> str:
    """The document after its scripts ran, as text."""
    assert BROWSER is not None
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--virtual-time-budget=5000", f"--user-data-dir={profile}", *options, "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=True).stdout


def test_every_chart_is_drawn(regression: Comparison, tmp_path: Path) -> None:
    dom = opened(write_comparison(regression, tmp_path), tmp_path / "profile")
    root = re.search(r"<html[^>]*>", dom)
    assert root is not None
    assert "data-error" not in root[0]
    assert 'data-charts="drawn"' in root[0]
    plots = dom.split('class="plot"')[1:]
    assert len(plots) == 6
    for plot in plots:
        live = plot.split('class="still"')[0]
        assert "<svg" in live or "<canvas" in live
    assert dom.count('class="still" hidden=""') == 6


def test_it_fits_a_phone_and_charts_can_be_saved(classification: Comparison, tmp_path: Path) -> None:
    write_comparison(classification, tmp_path)
    (tmp_path / "phone.html").write_text(PHONE, encoding="utf-8")
    dom = opened(tmp_path / "phone.html", tmp_path / "profile", "--allow-file-access-from-files")
    match = re.search(r'data-found="([^"]*)"', dom)
    assert match is not None
    found: dict[str, Any] = json.loads(unescape(match[1]))
    assert "error" not in found, found
    assert found["state"] == {"charts": "drawn"}
    assert found["width"] <= 360
    assert len(found["charts"]) == 5 and max(found["charts"]) <= 360
    assert found["saved"] == ["data:image/png;base64,"]
