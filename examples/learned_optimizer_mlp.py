"""Learn an optimizer of a small network on digits, as in arXiv:1606.04474, sec. 3.2, and compare it with tuned ones."""

import argparse
from collections.abc import Callable

import torch
from rich.console import Console
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional as F

from lossary.adapt.learned_optimizer import UpdateRule
from lossary.adapt.meta_training import meta_train
from lossary.adapt.optimizer_comparison import RATES, OptimizerScore, compare_optimizers
from lossary.adapt.problems import Problems
from lossary.report.terminal import progress

images, labels = (torch.as_tensor(part) for part in load_digits(return_X_y=True))
images = images.float() / 16


def networks(
    count: int, generator: torch.Generator, *, hidden: int = 20, activation: Callable[[Tensor], Tensor] = torch.sigmoid
) -> Problems:
    """Networks of one hidden layer with fresh weights, and minibatches of 128 of their own at each step."""
    start = {
        "w1": 0.1 * torch.randn(count, 64, hidden, generator=generator), "b1": torch.zeros(count, 1, hidden),
        "w2": 0.1 * torch.randn(count, hidden, 10, generator=generator), "b2": torch.zeros(count, 1, 10),
    }  # fmt: skip
    seed = int(torch.randint(2**31, (), generator=generator))

    def loss(p, step: int) -> Tensor:
        chosen = torch.randint(len(images), (count, 128), generator=torch.Generator().manual_seed(seed + step))
        within = activation(torch.baddbmm(p["b1"], images[chosen], p["w1"]))
        logits = torch.baddbmm(p["b2"], within, p["w2"])
        return F.cross_entropy(logits.flatten(0, 1), labels[chosen].flatten(), reduction="none").view(count, -1).mean(1)

    return Problems(parameters=start, loss=loss)


def show(title: str, scores: tuple[OptimizerScore, ...]) -> None:
    """A row per optimizer: mean ± standard error at each count, and how far it is behind the learned one."""
    print(f"\n{title}: loss after so many steps (paired difference to learned)")
    for score in scores:
        rate = "" if score.rate is None else f"lr {score.rate:.2g}"
        print(f"  {score.name:9}{rate:10}", end="")
        for k in score.mean:
            print(f"  {k}: {score.mean[k]:.4f} ± {score.error[k]:.4f}", end="")
            if score.rate is not None:
                print(f" ({score.behind[k]:+.4f} ± {score.behind_error[k]:.4f})", end="")
        print()
    for k in scores[0].mean:
        print(f"  lower mean than learned after {k}: {', '.join(s.name for s in scores if s.behind[k] < 0) or 'none'}")


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--quick", action="store_true", help="a few seconds, for a look: too short to learn much")
parser.add_argument("--weights", choices=["equal", "relative"], default="relative", help="of losses along the way")
parser.add_argument("--steps", type=int, default=800, help="meta-steps")
arguments = parser.parse_args()
quick = arguments.quick
torch.set_num_threads(1)
torch.manual_seed(0)
rule = UpdateRule()
with progress(Console(stderr=True)) as advance:
    course = meta_train(
        rule, lambda generator: networks(1, generator), steps=4 if quick else arguments.steps, lr=4e-3,
        weights=arguments.weights, validate_every=100, on_progress=advance,
        validation=networks(2 if quick else 32, torch.Generator().manual_seed(1)),
    )  # fmt: skip
print(f"meta-trained {len(course.losses)} steps in {course.seconds:.0f} s; kept the rule of step {course.best_step}")
curve = ", ".join(f"{step}: {loss:.3f}" for step, loss in course.validation.items())
print(f"validation loss at the horizon of {course.horizon} steps: {curve}", flush=True)
count, steps, rates = (2, (20,), (0.01, 0.1, 1.0)) if quick else (32, (20, 100, 200), RATES)
for title, how in {
    "sigmoid, 20 units, as meta-trained on": {},
    "40 units": {"hidden": 40},
    "ReLU": {"activation": torch.relu},
}.items():
    fresh = networks(count, torch.Generator().manual_seed(4), **how)
    tuning = networks(2 if quick else 16, torch.Generator().manual_seed(3), **how)
    show(title, compare_optimizers(rule, fresh, tuning=tuning, horizon=max(steps[:2]), steps=steps, rates=rates))
