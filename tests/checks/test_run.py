"""The user-facing check: what it is told, what it says, and how it contains what misbehaves."""

import json

import pytest
import torch

import lossary
from lossary.checks import check_contained, parse_told
from lossary.core import Binary, ClassIndex, Logit, LossInputError, Probability, Real
from lossary.report import check_text, show_check, write_check
from lossary.testing import assert_finding, assert_loss, parametrize


def naive_bce(probs, target):
    return -(target * probs.log() + (1 - target) * (1 - probs).log()).mean()


def stable_bce(logits, target):
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, target)


BCE = {"inputs": [Probability("n"), Binary("n")], "claims": {"finite"}}


def test_a_fault_is_shown_by_code_that_runs():
    report = lossary.check(naive_bce, **BCE)
    assert not report.holds
    found = report.refuted[0]
    assert found.claim == "finite" and found.cause
    scope = {"naive_bce": naive_bce}
    lines = [line for line in found.counterexample.splitlines() if not line.startswith("from ")]
    exec("\n".join(lines[:-2]), scope)
    assert not naive_bce(scope["probs"], scope["target"]).isfinite()


def test_a_wrong_gradient_is_shown_by_its_gradient():
    def rooted(input, target):
        return ((input - target) ** 2).sum(1).sqrt().mean()

    report = lossary.check(rooted, inputs=[Real("n d"), Real("n d")], claims={"finite"})
    found = next(f for f in report.refuted if f.subject == "gradient_is_finite")
    assert "`input`" in found.reason
    scope = {"rooted": rooted, "print": lambda *shown: scope.update(shown=shown)}
    exec("\n".join(line for line in found.counterexample.splitlines() if not line.startswith("from ")), scope)
    assert scope["shown"][0].isnan().any()


def test_what_survives_says_how_much_it_survived():
    report = lossary.check(stable_bce, inputs=[Logit("n"), Binary("n")], claims={"finite"})
    assert report.holds
    survived = next(f for f in report.findings if f.subject == "value_is_finite")
    assert survived.evidence["edges"] > 10 and str(survived.evidence["edges"]) in survived.reason


def test_the_same_seed_gives_the_same_report():
    first, second = (lossary.check(naive_bce, **BCE, seed=3).to_dict() for _ in range(2))
    assert first["findings"] == second["findings"]


def test_an_example_is_enough():
    def draw(generator):
        return torch.rand(6, generator=generator), torch.randint(2, (6,), generator=generator).float()

    report = lossary.check(naive_bce, example=draw)
    assert "Probability" in report.taken_for[0] and "Binary" in report.taken_for[1]
    assert {f.claim for f in report.refuted} >= {"finite"} and "finite" in report.assumed


def test_factories_are_told_from_losses():
    class Scaled(torch.nn.Module):
        def __init__(self, scale=1.0):
            super().__init__()
            self.scale = scale

        def forward(self, input, target):
            return self.scale * (input - target).abs().mean()

    def make(scale=1.0):
        return lambda input, target: scale * (input - target).abs().mean()

    for loss in (Scaled, make, Scaled(), make()):
        report = lossary.check(loss, inputs=[Real("n"), Real("n")], claims={"nonnegative", "finite"})
        assert report.holds, check_text(report)


def test_a_catalogued_loss_needs_nothing_told():
    report = lossary.check(lossary.HuberLoss)
    assert {"finite", "nonnegative"} <= {f.claim for f in report.findings}
    assert report.holds, check_text(report)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({}, "`inputs` or `example` must say"),
        ({"inputs": [Real("n")], "claims": {"finit"}}, "'finit'"),
        ({"inputs": [Real("n")], "claims": {"bounded": 3}}, "`bounded` must be"),
        ({"inputs": [Real("n")], "claims": {"mask"}}, "must come with a value"),
        ({"inputs": [Real("n")], "claims": {"empty": "none"}}, "`empty` must be one of"),
        ({"inputs": [Real("n")], "claims": {"reductions": ("none",), "mean_over": "rows"}}, "`mean_over` must be"),
        ({"inputs": [Real("n")], "params": {"gamma": 2.0}}, "`params` must give"),
        ({"inputs": ["Real n"]}, "`inputs` must be domains"),
    ],
)
def test_nonsense_is_refused_before_any_check(told, message):
    calls = []
    with pytest.raises(LossInputError, match=message):
        lossary.check(lambda *x: calls.append(x), **told)
    assert not calls


def test_a_loss_that_hangs_is_reported():
    def endless(input, target):
        while True:
            input = input + 0

    report = lossary.check(endless, inputs=[Real("n"), Real("n")], seconds=1.0)
    assert not report.holds and "no answer" in report.refuted[0].reason


def test_a_loss_that_hangs_at_an_edge_is_reported():
    def halving(input, target):
        step = (input - target).abs().mean()
        while 0 <= step <= 0:  # at a perfect prediction
            step = step * 2
        return step

    report = lossary.check(halving, inputs=[Real("n"), Real("n")], claims={"finite"}, seconds=2.0)
    assert any("hangs" in f.reason for f in report.refuted)


def test_a_loss_that_kills_its_process_is_reported():
    def deadly(input, target):
        import os

        os._exit(7)

    told = {"inputs": [Real("n"), Real("n")]}
    report = check_contained(
        lambda advance: lossary.check(deadly, progress=advance, **told),
        name="deadly", seconds=5.0, on_progress=lambda *_: None,
    )  # fmt: skip
    assert not report.holds and "exit code 7" in report.refuted[0].reason


def test_assert_loss_raises_with_the_counterexample():
    with pytest.raises(AssertionError, match=r"torch\.tensor"):
        assert_loss(naive_bce, **BCE)
    report = lossary.check(naive_bce, **BCE)
    with pytest.raises(AssertionError, match="finite"):
        assert_finding(report.refuted[0])
    assert_finding(report.findings[-1])


def test_the_report_is_written_and_printed(tmp_path, capsys):
    from rich.console import Console

    report = lossary.check(naive_bce, **BCE)
    page = write_check(report, tmp_path / "out")
    html, data = page.read_text(), json.loads((tmp_path / "out" / "result.json").read_text())
    assert "probs = torch.tensor" in html and "https:" not in html and "src=" not in html
    assert data["findings"][0]["verdict"] == "refuted"
    show_check(report, Console())
    assert "does not keep its word: finite" in capsys.readouterr().out


def test_words_are_read():
    told = parse_told(inputs=["Logit n c", "ClassIndex n"], claims="finite, bounded=(0, 1)", params=["mode=a,b"])
    assert told["inputs"] == [Logit("n c"), ClassIndex("n")]
    assert told["claims"] == {"finite": True, "bounded": (0, 1)}
    assert told["params"] == {"mode": ("a", "b")}
    for bad in ({"inputs": ["Logits n"]}, {"params": ["gamma"]}):
        with pytest.raises(LossInputError):
            parse_told(**bad)


def test_partials_and_losses_of_any_argument_go_by_their_names():
    from functools import partial

    report = lossary.check(partial(torch.nn.HuberLoss, delta=0.5), inputs=[Real("n"), Real("n")], claims={"finite"})
    assert report.holds and report.loss == "HuberLoss"


def test_arguments_that_are_no_tensors_are_passed_on():
    def scaled(input, target, scale, name):
        return scale * (input - target).abs().mean() if name else input.sum()

    example = (torch.randn(4), torch.randn(4), 2.0, "l1")
    report = lossary.check(scaled, example=example, claims={"finite", "nonnegative", "replicate", "differentiable"})
    assert report.holds, check_text(report)
    assert "no tensor" in report.taken_for[2]


def test_parametrize_makes_one_test_of_each_check():
    mark = parametrize(naive_bce, **BCE)
    findings = mark.args[1]
    assert mark.name == "parametrize" and mark.kwargs["ids"] == sorted(f.subject for f in findings)
    failing = []
    for finding in findings:
        try:
            assert_finding(finding)
        except AssertionError:
            failing.append(finding.claim)
    assert failing and set(failing) == {"finite"}
