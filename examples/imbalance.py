"""One digit against the nine others: what handling the imbalance does, and what it does not.

Prints balanced accuracy at a threshold of 0.5, AUROC, and calibration (expected calibration error, log-loss) on test
folds, for one network trained in ten ways:  python examples/imbalance.py
"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from torch.utils.data import BatchSampler, RandomSampler

import lossary
from lossary.balance import BalancedSampler, adjust_logits, class_prior, class_weights

STEPS = 300
torch.set_num_threads(1)
digits = load_digits()
x, y = torch.tensor(digits.data / 16.0, dtype=torch.float32), torch.tensor((digits.target == 8).astype(int))


def calibration_error(probability, truth, bins=10):
    """Mean gap between the predicted share and the true one, over bins of equal width, by their samples."""
    place = np.minimum((probability * bins).astype(int), bins - 1)
    gaps = [abs(probability[place == b].mean() - truth[place == b].mean()) for b in set(place)]
    return float(np.average(gaps, weights=[(place == b).sum() for b in set(place)]))


def fit(rows, loss, sampler, seed):
    """A small network, trained as many steps in every way, whatever an epoch is."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    inputs, classes, step = x[rows], y[rows], 0
    batches = BatchSampler(RandomSampler(rows) if sampler is None else sampler, 128, drop_last=False)
    while step < STEPS:
        for batch in batches:
            optimizer.zero_grad()
            loss(model(inputs[batch]), classes[batch]).backward()
            optimizer.step()
            step += 1
    return model


def ways(rows):
    """Name, loss, sampler, and what is done to the logits afterwards."""
    classes, plain = y[rows], lossary.CrossEntropyLoss()
    prior = class_prior(classes)
    adjusted = lossary.LogitAdjustedCrossEntropyLoss()

    def same(logits):
        return logits

    yield "cross-entropy", plain, None, same
    yield "  + adjust_logits", plain, None, lambda logits: adjust_logits(logits, prior)
    for scheme in ("inverse", "sqrt", "effective_number"):
        weighted = lossary.CrossEntropyLoss(class_weight=class_weights(classes, scheme=scheme))
        yield f"class_weights {scheme}", weighted, None, same
    yield "logit-adjusted loss", lambda logits, target: adjusted(logits, target, prior), None, same
    for strategy in ("over", "under", "sqrt"):
        yield f"BalancedSampler {strategy}", plain, BalancedSampler(classes, strategy=strategy), same
    yield "focal, gamma 2", lossary.SoftmaxFocalLoss(), None, same


found = {}
for seed, (train, test) in enumerate(StratifiedKFold(3, shuffle=True, random_state=0).split(x, y)):
    for name, loss, sampler, after in ways(train):
        if not name.startswith("  "):  # what is only done afterwards has the model of the line above
            model = fit(train, loss, sampler, seed)
        with torch.no_grad():
            p = after(model(x[test])).softmax(1)[:, 1].double().numpy()
        truth = y[test].numpy()
        figures = balanced_accuracy_score(truth, p > 0.5), roc_auc_score(truth, p), calibration_error(p, truth)
        found.setdefault(name, []).append([*figures, log_loss(truth, p)])

print(f"digits, 8 against the rest: {y.float().mean():.1%} of {len(y)}; mean of 3 test folds")
print(f"{'':33} balanced accuracy  AUROC    ECE  log-loss")
for name, rows in found.items():
    mean = np.mean(rows, 0)
    print(f"{name:33}             {mean[0]:.3f}  {mean[1]:.3f}  {mean[2]:.3f}     {mean[3]:.3f}")
deviation = np.mean([np.std(rows, 0, ddof=1) for rows in found.values()], 0)
columns = f"{deviation[0]:.3f}  {deviation[1]:.3f}  {deviation[2]:.3f}     {deviation[3]:.3f}"
print(f"{'deviation between folds':33}             {columns}")
