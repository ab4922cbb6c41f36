"""cause: class_imbalance."""

import torch
from nobody import Nobody
from sklearn.datasets import make_classification
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(53)
    x, y = make_classification(
        2400, 12, n_informative=5, n_redundant=0, weights=[0.94], class_sep=0.9, flip_y=0.0, random_state=53
    )
    x, y = torch.tensor(x).float(), torch.tensor(y).float()
    model = nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 1), nn.Flatten(0))
    weight = None  # repaired: weight = torch.tensor(15.0)
    criterion = nn.BCEWithLogitsLoss(pos_weight=weight)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    run.on_start(model, criterion, optimizer, (x[:40], y[:40]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(6):
        total = 0.0
        for rows in torch.randperm(2000).split(40):
            optimizer.zero_grad()
            logit = model(x[rows])
            loss = criterion(logit, y[rows])
            run.on_batch((x[rows], y[rows]), logit, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 50
        with torch.no_grad():
            logit = model(x[2000:])
        found = (logit[y[2000:] == 1] > 0).float().mean()
        run.on_epoch_end(total, F.binary_cross_entropy_with_logits(logit, y[2000:], pos_weight=weight).item())
        print(f"epoch {epoch}: {total:.4f}, alarms found {found:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
