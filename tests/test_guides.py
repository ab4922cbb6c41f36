"""The Python of the guides runs, as a reader would paste it: block by block, in one session per guide."""

import re
from pathlib import Path

import pytest
import torch

DOCS = Path(__file__).parents[1] / "docs"
GUIDES = ["multitask", "balance", "diagnosing"]


@pytest.mark.parametrize("guide", GUIDES)
def test_the_examples_of_a_guide_run(guide, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    text = (DOCS / f"{guide}.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks
    session: dict = {}
    for block in blocks:
        line = text[: text.index(block)].count("\n")
        exec(compile("\n" * line + block, f"docs/{guide}.md", "exec"), session)
    assert guide != "multitask" or capsys.readouterr().out.count("\n") == 3  # what its three examples print


def test_the_weightings_and_presets_of_the_guide_exist():
    from lossary.multitask import aggregation, objective, presets

    text = (DOCS / "multitask.md").read_text()
    table = text.partition("### Which weighting, when")[2].partition("### When to aggregate")[0]
    quoted = set(re.findall(r'\| `"(\w+)"`|, `"(\w+)"` \|', table))
    named = {first or second for first, second in quoted}
    assert named == set(objective._WEIGHTINGS) - {"equal"}
    for name in re.findall(r"`(\w+_loss)`", text.partition("## Several tasks")[0]):
        assert callable(getattr(presets, name))
    costs = text.partition("### What a step costs")[2]
    assert all(name in costs for name in aggregation.get_args(aggregation.AggregationName))
