"""Learn a loss that ignores outliers, as in arXiv:1906.05374: from made-up regressions, then used on real data."""

import argparse
from collections.abc import Callable

import torch
from rich.console import Console
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale
from torch import Tensor

import lossary
from lossary.adapt.learned_loss import LearnedLoss, LossTasks, guard, meta_train_loss
from lossary.report.terminal import progress

Elementwise = Callable[[Tensor, Tensor], Tensor]


def predict(parameters, inputs: Tensor) -> Tensor:
    return (inputs @ parameters["w"]).squeeze(2) + parameters["b"]


def spoiled(targets: Tensor, generator: torch.Generator) -> Tensor:
    """A fifth of the targets far too high, by the absolute value of a normal number of deviation 5."""
    out = torch.rand(targets.shape, generator=generator) < 0.2
    return targets + out * 5.0 * torch.randn(targets.shape, generator=generator).abs()


def made_up(generator: torch.Generator, count: int = 32) -> LossTasks:
    """Linear regressions on 5 features, 40 samples each with outliers; what is held out is clean."""
    inputs, held_out = (torch.randn(count, n, 5, generator=generator) for n in (40, 100))
    w = torch.randn(count, 5, 1, generator=generator) / 5**0.5
    noise = 0.1 * torch.randn(count, 40, generator=generator)
    return LossTasks(
        parameters={"w": torch.zeros(count, 5, 1), "b": torch.zeros(count, 1)}, predict=predict,
        inputs=inputs, targets=spoiled((inputs @ w).squeeze(2) + noise, generator),
        held_out_inputs=held_out, held_out_targets=(held_out @ w).squeeze(2),
    )  # fmt: skip


def diabetes(generator: torch.Generator, count: int = 32) -> LossTasks:
    """Splits of scikit-learn's diabetes data, scaled: 221 patients with outliers planted to train, 221 clean ones."""
    x, y = (torch.as_tensor(scale(part), dtype=torch.float32) for part in load_diabetes(return_X_y=True))
    order = torch.stack([torch.randperm(len(x), generator=generator) for _ in range(count)])
    train, rest = order[:, :221], order[:, 221:]
    return LossTasks(
        parameters={"w": torch.zeros(count, 10, 1), "b": torch.zeros(count, 1)}, predict=predict,
        inputs=x[train], targets=spoiled(y[train], generator), held_out_inputs=x[rest], held_out_targets=y[rest],
    )  # fmt: skip


def clean_error(loss: Elementwise, tasks: LossTasks, rate: float) -> Tensor:
    """Held-out squared error of each task, trained to the end by Adam with a falling learning rate."""
    parameters = {name: value.clone().requires_grad_() for name, value in tasks.parameters.items()}
    optimizer = torch.optim.Adam(parameters.values(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 300)
    for _ in range(300):
        optimizer.zero_grad()
        loss(tasks.predict(parameters, tasks.inputs), tasks.targets).mean(1).sum().backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return (tasks.predict(parameters, tasks.held_out_inputs) - tasks.held_out_targets).square().mean(1)


def show(title: str, losses: dict[str, list[Elementwise]], rates: tuple[float, ...], *draws: LossTasks) -> None:
    """Learning rate, and the variant of a loss where it has several, by the error on tasks for tuning."""
    tuning, tasks = draws
    print(f"\n{title}")
    for name, variants in losses.items():
        choices = [(loss, rate) for loss in variants for rate in rates]
        loss, rate = min(choices, key=lambda choice: float(clean_error(*[choice[0], tuning, choice[1]]).mean()))
        errors = clean_error(loss, tasks, rate)
        print(f"  {name:18} {errors.mean():.4f} ± {errors.std() / len(errors) ** 0.5:.4f}")


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--quick", action="store_true", help="a few seconds, for a look: too short to learn much")
quick = parser.parse_args().quick
torch.set_num_threads(1)
learned = {}
for form, verify in (("monotone", True), ("free", False)):
    learned[form] = LearnedLoss(form=form)
    with progress(Console(stderr=True)) as advance:
        course = meta_train_loss(
            learned[form], made_up, inner_lr=0.3, steps=5 if quick else 200, lr=0.03, verify=verify, on_progress=advance
        )
    found = course.guard or guard(learned[form], seconds=3.0)
    print(f"{form}, meta-trained in {course.seconds:.0f} s with the guard: {found.sentence}")
widths, rates = ((1.0,), (0.03,)) if quick else ((0.03, 0.1, 0.3, 1.0), (0.01, 0.03, 0.1))
losses: dict[str, list[Elementwise]] = {
    "learned, monotone": [learned["monotone"].values],
    "learned, free": [learned["free"].values],
    "MSE": [lambda p, t: lossary.mse_loss(p, t, reduction="none")],
    "MAE": [lambda p, t: lossary.l1_loss(p, t, reduction="none")],
    "Huber": [lambda p, t, d=d: lossary.huber_loss(p, t, delta=d, reduction="none") for d in widths],
    "Cauchy": [lambda p, t, c=c: lossary.cauchy_loss(p, t, scale=c, reduction="none") for c in widths],
}
draw = [torch.Generator().manual_seed(seed) for seed in (8, 9)]
count = 4 if quick else 100
show(
    "clean held-out error on fresh made-up regressions", losses, rates, made_up(draw[0], count), made_up(draw[1], count)
)
count = 2 if quick else 32
show("and on diabetes with outliers planted", losses, rates, diabetes(draw[0], count), diabetes(draw[1], count))
