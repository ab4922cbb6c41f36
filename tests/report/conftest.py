"""Comparisons made up from a seed: as many losses and splits as asked, with figures of a believable size."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from lossary.comparison.result import (
    Choice,
    Comparison,
    Curve,
    DataSummary,
    Difference,
    Entry,
    Errors,
    Score,
    Standing,
    TrialSummary,
    Verdict,
)
from lossary.core import Finding

Build = Callable[..., Comparison]

EPOCHS = 60
REGRESSION_LOSSES = ("huber", "log_cosh", "mse", "mae", "smooth_l1:beta=0.25", "quantile:q=0.9")
CLASSIFICATION_LOSSES = ("cross_entropy", "cross_entropy:label_smoothing=0.1", "softmax_focal", "mse_on_probabilities")
RATES = tuple(float(rate) for rate in np.logspace(-4, -0.5, 8).round(6))
T_95 = {2: 12.706, 4: 3.182, 5: 2.776, 10: 2.262}  # Student's t, 97.5%, n - 1 degrees of freedom


def interval(values: np.ndarray) -> tuple[float, float, float]:
    mean = float(values.mean())
    half = T_95[len(values)] * float(values.std(ddof=1)) * math.sqrt(1 / len(values) + 1 / 4)
    return mean, mean - half, mean + half


def score(values: np.ndarray) -> Score:
    mean, low, high = interval(values)
    return Score(mean=mean, low=low, high=high, values=tuple(float(value) for value in values))


def curve(rng: np.random.Generator, start: float, end: float) -> Curve:
    epochs = np.arange(EPOCHS)
    median = end + (start - end) * np.exp(-epochs / rng.uniform(4, 12)) + rng.normal(0, 0.004, EPOCHS) * abs(end)
    spread = abs(end) * (0.02 + 0.2 * np.exp(-epochs / 6))
    return Curve(median=tuple(median.tolist()), low=tuple((median - spread).tolist()),
                 high=tuple((median + spread).tolist()))  # fmt: skip


def choices(rng: np.random.Generator, splits: int, loss: str) -> tuple[Choice, ...]:
    centre = rng.integers(2, 6)
    rates = [RATES[int(np.clip(centre + rng.integers(-1, 2), 0, len(RATES) - 1))] for _ in range(splits)]
    tuned = {"huber": ("delta", (0.5, 1.0, 2.0)), "softmax_focal": ("gamma", (1.0, 2.0, 3.0))}
    names = [] if loss not in tuned else [tuned[loss]]
    return tuple(
        Choice(learning_rate=rate, epoch=int(rng.integers(12, EPOCHS + 1)),
               hyperparameters={name: float(rng.choice(grid)) for name, grid in names})
        for rate in rates
    )  # fmt: skip


def standing_of(low: float, high: float, margin: float, p_adjusted: float) -> Standing:
    if -margin <= low and high <= margin:
        return "practically equal"
    if p_adjusted < 0.05 and (low > 0 or high < 0):
        return "better" if low > 0 else "worse"
    return "undecided"


def assemble(
    data: DataSummary, metric: str, higher: dict[str, bool], margin: float, entries: Sequence[Entry]
) -> Comparison:
    sign = 1 if higher[metric] else -1
    ranked = tuple(sorted(entries, key=lambda entry: -sign * entry.scores[metric].mean))
    differences = []
    for first, second in itertools.combinations(ranked, 2):
        gap = sign * (np.array(first.scores[metric].values) - np.array(second.scores[metric].values))
        mean, low, high = interval(gap)
        p = float(min(1.0, math.exp(-3 * abs(mean) / max((high - low) / 2, 1e-9))))  # below 0.05 where it excludes 0
        differences.append(Difference(
            first=first.label, second=second.label, metric=metric, mean=mean, low=low, high=high, p=p,
            p_adjusted=min(1.0, 2 * p), standing=standing_of(low, high, margin, 2 * p),
        ))  # fmt: skip
    winner = ranked[0]
    against = {each.second: each for each in differences if each.first == winner.label}
    equal = [label for label, each in against.items() if each.standing == "practically equal"]
    said = {"better": "worse", "worse": "better"}
    findings = [Finding(subject=winner.label, verdict="best", evidence={}, reason=f"Best mean {metric}.")] + [
        Finding(subject=label, verdict=said.get(each.standing, each.standing), evidence={"mean": each.mean},
                reason=f"{winner.label} leads by {each.mean:.3g} in {metric}.")
        for label, each in against.items()
    ]  # fmt: skip
    splits = tuple(f"repeat {1 + index // 5}, fold {1 + index % 5}" for index in range(len(winner.choices)))
    trials = tuple(
        TrialSummary(label=entry.label, split=split, learning_rate=choice.learning_rate, epoch=choice.epoch,
                     hyperparameters=choice.hyperparameters, validation=-entry.scores[metric].mean, epochs=EPOCHS,
                     seconds=0.25, diverged=False, chosen=True)
        for entry in ranked for split, choice in zip(splits, entry.choices, strict=True)
    )  # fmt: skip
    return Comparison(
        data=data, metric=metric, higher_is_better=higher, margin=margin, entries=ranked,
        plan={"folds": 5, "repeats": len(splits) // 5, "epochs": EPOCHS, "seed": 0,
              "learning_rates": (RATES[0], RATES[-1])},
        splits=splits, trials=trials,
        differences=tuple(differences), best_group=(winner.label, *equal),
        verdict=Verdict(
            headline=f"{winner.label} leads on {data.name}, but some losses may be as good.",
            reasons=(f"Its mean {metric} is {winner.scores[metric].mean:.3g} over {len(splits)} splits.",
                     f"{len(equal)} losses are practically equal to it: they differ by less than {margin:g}."),
            cautions=("The learning rate was chosen at the edge of its grid on 2 of the splits.",),
            code=f"import lossary\n\nloss = {winner.code}\nvalue = loss(prediction, target)",
        ),
        findings=tuple(findings), seconds=81.4, new_trials=sum(entry.trials for entry in ranked),
        environment={"lossary": "0.1.0", "torch": "2.13.0", "python": "3.11.2", "machine": "x86_64, 2 cores",
                     "engine": "batched", "command": f"lossary compare {data.name} --target {data.target[0]}"},
    )  # fmt: skip


def build_regression(losses: Sequence[str] = REGRESSION_LOSSES, splits: int = 10, seed: int = 0) -> Comparison:
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(0, 2.6, splits)
    entries = []
    for rank, label in enumerate(losses):
        rmse = (78.0 if label.startswith("quantile:q=0.9") else 54.2 + 0.09 * rank**2) + difficulty
        rmse = rmse + rng.normal(0, 0.3, splits)
        mae = rmse * (0.84 if label == "mse" else 0.81) + rng.normal(0, 0.5, splits)
        bias = 42.0 if label.startswith("quantile:q=0.9") else rng.normal(0, 2)
        width = float(rmse.mean())
        heavy = rng.uniform(0.9, 1.1)
        entries.append(Entry(
            label=label, loss=label.split(":")[0], fixed={},
            scores={"rmse": score(rmse), "mae": score(mae), "r2": score(1 - (rmse / 77) ** 2),
                    "median_ae": score(mae * 0.84), "pinball_10": score(mae * 0.4), "pinball_90": score(mae * 0.6)},
            choices=choices(rng, splits, label), curve=curve(rng, 160 + rng.normal(0, 8), float(rmse.mean()) - 1),
            errors=Errors(
                residual_quantiles={"0.05": bias - 1.6 * width, "0.25": bias - 0.65 * width, "0.5": bias,
                                    "0.75": bias + 0.68 * width, "0.95": bias + 1.55 * width},
                absolute_quantiles={"0.5": 0.66 * width / heavy, "0.75": 1.15 * width, "0.9": 1.64 * width,
                                    "0.95": 1.96 * width * heavy, "0.99": 2.6 * width * heavy**2},
            ),
            seconds=float(rng.uniform(6, 19)), trials=16 * splits, diverged=3 if rank == 3 else 0,
            code=f"lossary.{label.split(':')[0].title().replace('_', '')}Loss()",
        ))  # fmt: skip
    data = DataSummary(name="diabetes", task="regression", target=("target",), samples=442, numeric=9, categorical=1,
                       missing=0.013, fingerprint="5f0c" * 16)  # fmt: skip
    higher = {"rmse": False, "mae": False, "r2": True, "median_ae": False, "pinball_10": False, "pinball_90": False}
    return assemble(data, "rmse", higher, 0.9, entries)


def build_classification(
    losses: Sequence[str] = CLASSIFICATION_LOSSES,
    classes: Sequence[str] = ("setosa", "versicolor", "virginica"),
    splits: int = 10,
    seed: int = 1,
) -> Comparison:
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(0, 0.012, splits)
    entries = []
    for rank, label in enumerate(losses):
        accuracy = np.clip(0.962 - 0.006 * rank + difficulty + rng.normal(0, 0.004, splits), 0, 1)
        log_loss = 0.11 + 0.03 * rank - 2 * difficulty + rng.normal(0, 0.006, splits)
        recall = {name: float(np.clip(accuracy.mean() + rng.normal(0, 0.04), 0, 1)) for name in classes}
        entries.append(Entry(
            label=label, loss=label.split(":")[0], fixed={"label_smoothing": 0.1} if "smoothing" in label else {},
            scores={"log_loss": score(log_loss), "accuracy": score(accuracy),
                    "balanced_accuracy": score(accuracy - 0.004), "macro_f1": score(accuracy - 0.006),
                    "auroc": score(np.clip(0.994 - 0.001 * rank + difficulty / 6, 0, 1)),
                    "brier": score(0.05 + 0.01 * rank - difficulty),
                    "ece": score(0.02 + 0.02 * rank + np.abs(difficulty))},
            choices=choices(rng, splits, label), curve=curve(rng, 0.9, float(log_loss.mean())),
            errors=Errors(recall=recall, precision={name: share - 0.01 for name, share in recall.items()},
                          confidence=float(accuracy.mean() - 0.05 * rank + 0.02)),
            seconds=float(rng.uniform(3, 9)), trials=8 * splits, diverged=0,
            code=f"lossary.{label.split(':')[0].title().replace('_', '')}Loss()",
        ))  # fmt: skip
    data = DataSummary(
        name="iris", task="multi-class classification", target=("species",), samples=150, numeric=4, categorical=0,
        missing=0.0, classes=tuple(classes), class_counts=tuple(150 // len(classes) for _ in classes),
        fingerprint="a19e" * 16,
    )  # fmt: skip
    higher = {"log_loss": False, "accuracy": True, "balanced_accuracy": True, "macro_f1": True, "auroc": True,
              "brier": False, "ece": False}  # fmt: skip
    return assemble(data, "log_loss", higher, 0.01, entries)


@pytest.fixture(scope="session")
def make_regression() -> Build:
    return build_regression


@pytest.fixture(scope="session")
def make_classification() -> Build:
    return build_classification


@pytest.fixture(scope="session")
def regression() -> Comparison:
    return build_regression()


@pytest.fixture(scope="session")
def classification() -> Comparison:
    return build_classification()
