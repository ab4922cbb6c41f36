"""cause: eval_mode_left_on; accepts: train_mode_in_validation."""

import torch
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def judge(model, x, y):
    model.eval()
    with torch.no_grad():
        return F.cross_entropy(model(x), y).item()


def train(run):
    torch.manual_seed(78)
    x, y = load_breast_cancer(return_X_y=True)
    order = torch.randperm(len(x))
    x, y = torch.tensor(scale(x)).float()[order], torch.tensor(y)[order]
    model = nn.Sequential(nn.Linear(30, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    run.on_start(model, F.cross_entropy, optimizer, (x[:30], y[:30]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(8):
        # repaired only: model.train()
        total = 0.0
        for rows in torch.randperm(420).split(30):
            optimizer.zero_grad()
            scores = model(x[rows])
            loss = F.cross_entropy(scores, y[rows])
            run.on_batch((x[rows], y[rows]), scores, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 14
        val = judge(model, x[420:], y[420:])
        run.on_epoch_end(total, val)
        print(f"epoch {epoch}: {total:.4f} {val:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
