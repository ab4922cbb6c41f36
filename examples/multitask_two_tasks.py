"""Two tasks whose losses are 500 000 apart: the diagnosis of a tumour, and how large its largest cells are.

From ten measurements of the mean cell, a network says whether the tumour is malignant and estimates the area of the
largest cells in its own unit, so that the squared error begins near 3e5 and the cross-entropy near 0.7. Prints what
each weighting makes of it on test data:  python examples/multitask_two_tasks.py
"""

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import ShuffleSplit
from torch import nn

import lossary
from lossary.multitask import FAMO, MultitaskLoss

torch.set_num_threads(1)
data = load_breast_cancer()
x = torch.tensor(data.data[:, :10], dtype=torch.float32)
malignant = torch.tensor(data.target == 0).float()
area = torch.tensor(data.data[:, list(data.feature_names).index("worst area")], dtype=torch.float32)

CASES = {
    "diagnosis alone": {"tasks": ("diagnosis",)},
    "area alone": {"tasks": ("area",)},
    "plain sum": {},
    "plain sum, area over its deviation": {"unit": True},
    "initial": {"weighting": "initial"},
    "uncertainty": {"weighting": "uncertainty"},
    "imtl_l": {"weighting": "imtl_l"},
    "geometric_mean": {"weighting": "geometric_mean"},
    "famo": {"weighting": FAMO},
    "gradnorm": {"weighting": "gradnorm"},
    "rlw": {"weighting": "rlw"},
}


def fit(rows, seed, tasks=("diagnosis", "area"), weighting="equal", unit=False):
    torch.manual_seed(seed)
    mean, deviation = area[rows].mean(), area[rows].std()
    inputs = (x - x[rows].mean(0)) / x[rows].std(0)
    targets = {"diagnosis": malignant, "area": area / deviation if unit else area}
    trunk = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
    heads = nn.ModuleDict({task: nn.Linear(32, 1) for task in tasks})
    losses = {"diagnosis": lossary.BCEWithLogitsLoss(), "area": lossary.MSELoss()}
    loss = MultitaskLoss({t: losses[t] for t in tasks}, weighting if isinstance(weighting, str) else weighting())

    def outputs(batch):
        hidden = trunk(inputs[batch])
        found = {task: head(hidden).squeeze(1) for task, head in heads.items()}
        if "area" in found:  # a head of order 1, whatever the unit: what differs is the loss alone
            found["area"] = (mean + deviation * found["area"]) / (deviation if unit else 1.0)
        return found

    optimizer = torch.optim.Adam([*trunk.parameters(), *heads.parameters(), *loss.parameters()], lr=3e-3)
    for _ in range(60):
        for batch in rows[torch.randperm(len(rows))].split(114):
            optimizer.zero_grad()
            loss(outputs(batch), {task: targets[task][batch] for task in tasks}).backward()
            optimizer.step()
    return outputs, deviation if unit else 1.0


print(f"{'mean of 3 test sets':35} AUROC  log-loss  RMSE of the area")
for name, how in CASES.items():
    figures = []
    for seed, (train, test) in enumerate(ShuffleSplit(3, test_size=0.4, random_state=0).split(x)):
        outputs, unit = fit(torch.tensor(train), seed, **how)
        with torch.no_grad():
            found = outputs(torch.tensor(test))
        row = [np.nan] * 3
        if "diagnosis" in found:
            row[0] = roc_auc_score(malignant[test], found["diagnosis"])
            row[1] = lossary.bce_with_logits_loss(found["diagnosis"], malignant[test]).item()
        if "area" in found:
            row[2] = (unit * found["area"] - area[test]).square().mean().sqrt().item()
        figures.append(row)
    auroc, log_loss, rmse = np.mean(figures, 0)
    print(f"{name:35} {auroc:.3f}     {log_loss:.3f}             {rmse:5.1f}")
