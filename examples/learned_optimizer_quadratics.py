"""Learn an optimizer for random quadratics, as in arXiv:1606.04474, sec. 3.1, and hold it against tuned ones."""

import argparse

import torch
from rich.console import Console

from lossary.adapt.learned_optimizer import UpdateRule
from lossary.adapt.meta_training import meta_train
from lossary.adapt.optimizer_comparison import OptimizerScore, compare_optimizers
from lossary.adapt.problems import Problems
from lossary.report.terminal import progress


def quadratics(count: int, generator: torch.Generator) -> Problems:
    """``||W x - y||^2`` in 10 dimensions, W and y of independent standard normal numbers, x near 0."""
    w = torch.randn(count, 10, 10, generator=generator)
    y = torch.randn(count, 10, generator=generator)
    start = {"x": 0.01 * torch.randn(count, 10, generator=generator)}
    return Problems(parameters=start, loss=lambda p, step: ((w @ p["x"][:, :, None])[:, :, 0] - y).square().sum(1))


def show(title: str, scores: tuple[OptimizerScore, ...]) -> None:
    """A row per optimizer: mean ± standard error, median, and how far it is behind the learned one, at each count."""
    print(f"\n{title}")
    for score in scores:
        rate = "" if score.rate is None else f"lr {score.rate:.2g}"
        print(f"  {score.name:9}{rate:10}", end="")
        for k in score.mean:
            print(f"  {k}: {score.mean[k]:9.4g} ± {score.error[k]:8.2g} (median {score.median[k]:8.3g}", end="")
            print(")" if score.rate is None else f", {score.behind[k]:+.2g} ± {score.behind_error[k]:.1g})", end="")
        print()


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--quick", action="store_true", help="a few seconds, for a look: too short to learn much")
quick = parser.parse_args().quick
torch.set_num_threads(1)
torch.manual_seed(0)
rule = UpdateRule()
with progress(Console(stderr=True)) as advance:
    course = meta_train(
        rule, lambda generator: quadratics(16 if quick else 64, generator), steps=20 if quick else 1500,
        validate_every=10 if quick else 100, on_progress=advance,
        validation=quadratics(64 if quick else 1000, torch.Generator().manual_seed(1)),
    )  # fmt: skip
print(
    f"meta-trained for {len(course.losses)} steps in {course.seconds:.0f} s; kept the rule of step {course.best_step}"
)
curve = ", ".join(f"{step}: {loss:.3g}" for step, loss in course.validation.items())
print(f"validation loss at the horizon of {course.horizon} steps: {curve}")
scores = compare_optimizers(
    rule,
    quadratics(64 if quick else 1000, torch.Generator().manual_seed(2)),
    tuning=quadratics(64 if quick else 1000, torch.Generator().manual_seed(3)),
)
show("loss after 100 and 200 steps on fresh quadratics (in brackets: paired difference to learned)", scores)
if not quick:
    for k, when in ((100, "at the horizon"), (200, "past the horizon")):
        behind = [s.name for s in scores[1:] if s.behind[k] < 0]
        print(f"{when} ({k} steps), lower mean loss than learned: {', '.join(behind) or 'none'}")
