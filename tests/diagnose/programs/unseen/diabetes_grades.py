"""healthy: ordinal regression with cumulative thresholds on noisy grades."""

import torch
from nobody import Nobody
from sklearn.datasets import load_diabetes
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


class Grades(nn.Module):
    """One score and four ordered thresholds."""

    def __init__(self):
        super().__init__()
        self.score = nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Linear(16, 1))
        self.first, self.gaps = nn.Parameter(torch.tensor([1.5])), nn.Parameter(torch.zeros(3))

    def forward(self, x):
        cuts = torch.cat([-self.first, -self.first + F.softplus(self.gaps).cumsum(0)])
        return self.score(x) - cuts


def train(run):
    torch.manual_seed(95)
    x, y = load_diabetes(return_X_y=True)
    order = torch.randperm(442)
    x, y = torch.tensor(x * 21).float()[order], torch.tensor(y)[order]
    grade = torch.bucketize(y, torch.quantile(y, torch.tensor([0.2, 0.4, 0.6, 0.8], dtype=y.dtype)))
    above = (grade[:, None] > torch.arange(4)).float()
    model = Grades()
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, weight_decay=1e-3)
    run.on_start(model, criterion, optimizer, (x[:32], above[:32]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(12):
        total, parts = 0.0, torch.randperm(352).split(32)
        for rows in parts:
            optimizer.zero_grad()
            logits = model(x[rows])
            loss = criterion(logits, above[rows])
            run.on_batch((x[rows], above[rows]), logits, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(parts)
        with torch.no_grad():
            val = criterion(model(x[352:]), above[352:]).item()
        run.on_epoch_end(total, val)
        print(f"epoch {epoch}: {total:.4f} {val:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
