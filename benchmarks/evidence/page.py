"""``docs/evidence.md`` from the stored results: every sentence with a figure in it is made from them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from lossary.comparison.metrics import METRICS

from .regret import Estimate, Outcome, outcome, per_set, signed_rank_p

Case = Mapping[str, Any]
Pairs = Sequence[tuple[Case, Outcome]]

METHOD = """\
# Evidence: does following the advice pay?

`lossary recommend` gives advice by rules. This page puts the advice to the trial: on real data sets, `lossary compare`
trains every loss of the catalogue that fits, and the loss that `recommend` names first is held against the best of
them and against the usual one: squared error for numbers, (binary) cross-entropy for classes. `make evidence` makes
all of it anew; every score is in [evidence.csv](evidence.csv), what is known of each case in
[evidence.json](evidence.json).

## How it was done

- **The cases were fixed first.** Data sets, goals and metrics were written down (`benchmarks/evidence/sets.py`) before
  any loss was trained on them, and were not changed afterwards; none was left out for its result. The rules are those
  from before the run. Where who asks would know what the target is (a share, a count, a grade), `recommend`
  was told so: see the list at the end.
- **The data are real** and lie inside packages from PyPI; none is generated. Columns that give the target away were
  dropped, and of larger sets {rows} rows were drawn at random. The imbalanced sets are KEEL's: classes of well-known
  sets, joined or left out by its authors. None was thinned out here.
- **The goal decides the metric**: RMSE for the mean, MAE for the median, log-loss or Brier score for probabilities,
  balanced accuracy, average precision or macro F1 for rare classes. Without a goal it is what `compare` measures unless
  told. Squared error is at home on RMSE, and cross-entropy on log-loss: there little can be won over them.
- **Every loss had the same**: {repeats} times {folds}-fold cross-validation, {budget} trainings per fold to choose
  learning rate and hyperparameters, a network with {hidden} hidden units, at most {epochs} epochs. Losses start from
  their defaults, and what their cards call worth tuning is tuned; the first four recommendations have the
  hyperparameters that `recommend` computed from the data. That plan was shortened after four runs that timed it, whose
  rankings were seen.
- **Regret** is how much worse the score is than that of the best loss, in percent of it. The best *in hindsight*, out
  of {fewest} to {most} losses, owes part of its lead to luck: this regret is too large, for the advice and for the
  usual loss alike. *Fair* regret is against the loss that a comparison on the other folds would have picked for each
  fold, which is free of that luck; it can be below 0.
- **Gain** is the advised loss over the usual one, in percent of the usual one's score. What stands behind ± is half
  the 95% interval of the corrected resampled t-test, which knows that folds share training data. *Better* and *worse*
  are significant at 5%; *practically equal* says that the whole interval is within the margin (1% of an error, 0.01 of
  a share or of log-loss, 0.005 of a Brier score), *undecided* that the data can't tell. There is one such test per
  case, uncorrected: of {cases}, about two would come out as better or worse by luck alone.

What flatters the advice: `recommend` looked at all rows, test folds included, though only at figures such as the ratio
of the classes. What holds it back: a small network that is trained for a short time, with which many losses end alike.
"""


READING = """\
## What we make of it

This reading is of the stored run; a test holds its claims against the stored scores.

- **Medians and rare classes are where the advice pays.** Every case with the goal of a rare class came out ahead of
  plain cross-entropy, mostly by class weights, and every sure win is a median or a rare class.
- **On the mean, squared error is hard to beat by RMSE**, which is what it minimises. The likelihoods that are advised
  for counts, amounts and zeros are ahead about as often as behind, and never surely. What they do give, probabilities
  of each count and predictions above 0, RMSE does not see: choose them for that.
- **Grades are advised badly.** In all four sets a loss made for wrong labels came first, before those that know the
  order, and in all four it is behind cross-entropy, though never surely. Neighbouring grades overlap, and the measure
  of label noise takes that for noise.
- **Shares lose the advice that is made for them** once the goal is the mean: the rule for that goal lists squared error
  among the losses of the mean and forgets the fractional logit, `bce_with_logits`, which is one too.
- **Where the advice is the usual loss, others were sometimes better**: on the two smallest sets with probabilities the
  focal loss, which keeps a network from being too sure; with 14 labels and macro F1 the asymmetric loss. The rules do
  not know of this.
- **Most differences are within what {folds} folds of small data can tell.** That holds for the wins, too.

Two rules were changed after this run because of it: label noise is no longer read into grades, and the rule for the
mean counts `bce_with_logits` among the losses of a share's mean. The tables show the advice of the rules as they were;
on the same data the new ones can't be judged.
"""


def page(cases: Sequence[Case], about: Mapping[str, Any]) -> str:
    """The whole page, in Markdown."""
    pairs = [(case, outcome(case)) for case in cases]
    plan, losses = about["plan"], [found.losses for _, found in pairs]
    method = METHOD.format(
        rows=about["rows"], repeats=plan["repeats"], folds=plan["folds"], budget=plan["budget"],
        hidden=" and ".join(str(width) for width in plan["hidden"]), epochs=plan["epochs"],
        fewest=min(losses), most=max(losses), cases=len(cases),
    )  # fmt: skip
    parts = [
        method, "## What came out\n", *_summary(pairs), "", READING.format(folds=plan["repeats"] * plan["folds"]),
        "## By kind of target\n", *_by(pairs, lambda c: c["kind"]),
        "\n## By goal\n", *_by(pairs, lambda c: c["goal"] or "none given"), "\n## By the loss that was advised\n",
        *_by_loss(pairs), "\n## Where the advice did worse\n", *_stories(pairs, -1),
        "\n## Where it did better\n", *_stories(pairs, 1), "\n## Every case\n", *_table(pairs),
        "\n## The cases\n", *_list(cases), "\n## Made with\n", *_made(about, sum(case["seconds"] for case in cases)),
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def _summary(pairs: Pairs) -> Iterator[str]:
    found = [one for _, one in pairs]
    results = Counter(one.result for one in found)
    ahead, behind = sum(one.beyond_margin > 0 for one in found), sum(one.beyond_margin < 0 for one in found)
    gains = per_set([case for case, _ in pairs], found)
    differing = len(found) - results["the same loss"]
    yield (
        f"{len(pairs)} cases on {len(gains)} tables of data. In {results['the same loss']} of them the advice is the "
        f"usual loss. In the other {differing} it was, over the usual loss:\n"
    )
    yield "| | surely (p < 0.05) | by more than the margin, luck or not |"
    yield "|---|---|---|"
    yield f"| better | {results['better']} | {ahead} |"
    yield f"| worse | {results['worse']} | {behind} |"
    yield f"| practically equal | {results['practically equal']} | {differing - ahead - behind} |"
    yield f"| undecided | {results['undecided']} | |\n"
    yield (
        f"- The median gain over the usual loss is {_percent(median(gains))}, the mean {_percent(_mean(gains))} (over "
        f"tables, the cases of one averaged; Wilcoxon's signed ranks: p = {signed_rank_p(gains):.2g})."
    )
    yield (
        "- Median regret against the best in hindsight: "
        f"{_percent(median(o.advised_regret.mean for o in found))} for the advice, "
        f"{_percent(median(o.usual_regret.mean for o in found))} for the usual loss, "
        f"{_percent(median(o.typical_regret for o in found))} for the middle one of the losses that fit."
    )
    yield (
        "- Median regret against the fairly chosen loss: "
        f"{_percent(median(o.fair_advised_regret for o in found))} for the advice, "
        f"{_percent(median(o.fair_usual_regret for o in found))} for the usual loss."
    )
    first = sum(one.advised == one.best for one in found)
    usual = sum(one.usual == one.best for one in found)
    yield f"- The best in hindsight was the advised loss in {first} cases, the usual one in {usual}."
    missed = [case for case, one in pairs if case["first"].split(":")[0] != one.advised.split(":")[0]]
    if missed:
        names = ", ".join(f"{case['case']} (`{case['first']}`)" for case in missed)
        yield f"- In {len(missed)} cases `compare` does not train the first recommendation; the next counts: {names}."


def _by(pairs: Pairs, group: Callable[[Case], str]) -> Iterator[str]:
    groups: dict[str, list[tuple[Case, Outcome]]] = {}
    for case, one in pairs:
        groups.setdefault(group(case), []).append((case, one))
    yield "| | cases | better | worse | equal or undecided | same loss | median gain | median regret, advice | usual |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, members in groups.items():
        yield f"| {name} | {_counts([one for _, one in members])} |"


def _by_loss(pairs: Pairs) -> Iterator[str]:
    yield from _by(
        [({**case, "advised": f"`{one.advised.split(':')[0]}`"}, one) for case, one in pairs], lambda c: c["advised"]
    )


def _counts(found: Sequence[Outcome]) -> str:
    results = Counter(one.result for one in found)
    cells = [
        len(found), results["better"], results["worse"], results["practically equal"] + results["undecided"],
        results["the same loss"], _percent(median(one.gain.mean for one in found)),
        _percent(median(one.advised_regret.mean for one in found)),
        _percent(median(one.usual_regret.mean for one in found)),
    ]  # fmt: skip
    return " | ".join(str(cell) for cell in cells)


def _stories(pairs: Pairs, direction: int) -> Iterator[str]:
    """The cases beyond the margin, the largest first."""
    told = [(case, one) for case, one in pairs if one.beyond_margin == direction]
    told.sort(key=lambda pair: -direction * pair[1].gain.mean)
    if not told:
        yield "In no case by more than the margin."
    for case, one in told:
        surely = {"better": "surely", "worse": "surely"}.get(one.result, "perhaps by luck")
        title = METRICS[case["metric"]].title
        yield (
            f"- **{case['case']}** ({case['about']}): `{one.advised}` against `{one.usual}`, {title} "
            f"{_estimate(one.gain)}, {surely}; best in hindsight `{one.best}`. "
            f"Rules that fired: {', '.join(case['reasons'])}."
        )


def _table(pairs: Pairs) -> Iterator[str]:
    yield (
        "| data, goal | n | kind | what decides | usual | first recommendation | best of m in hindsight "
        "| regret, advice | regret, usual | fair, advice | fair, usual | gain over usual | |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    for case, one in pairs:
        cells = [
            case["case"], case["samples"], case["kind"], METRICS[case["metric"]].title, f"`{one.usual}`",
            f"`{one.advised}`", f"`{one.best}` of {one.losses}", _estimate(one.advised_regret, sign=""),
            _estimate(one.usual_regret, sign=""), _percent(one.fair_advised_regret), _percent(one.fair_usual_regret),
            _estimate(one.gain), one.result,
        ]  # fmt: skip
        yield f"| {' | '.join(str(cell) for cell in cells)} |"


def _list(cases: Sequence[Case]) -> Iterator[str]:
    yield "| data | from | rows | features | what | told | goal | metric |"
    yield "|---|---|---|---|---|---|---|---|"
    for case in cases:
        cells = [case["set"], case["distribution"], case["samples"], case["features"], case["about"], case["told"],
                 case["goal"] or "none", METRICS[case["metric"]].title]  # fmt: skip
        yield f"| {' | '.join(str(cell) for cell in cells)} |"


def _made(about: Mapping[str, Any], seconds: float) -> Iterator[str]:
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    yield f"{versions}. Trainings of {seconds / 60:.0f} minutes, in one thread on a shared processor."


def _estimate(value: Estimate, sign: str = "+") -> str:
    if not math.isfinite(value.mean):
        return "∞" if value.mean > 0 else "−∞"
    return f"{_percent(value.mean, sign)} ± {100 * value.half:.1f}"


def _percent(value: float, sign: str = "+") -> str:
    """``"+1.2%"``; a figure that rounds to nothing has no sign."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞"
    text = f"{100 * value:{sign}.1f}%"
    return "0.0%" if text in ("+0.0%", "-0.0%") else text.replace("-", "−")


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
