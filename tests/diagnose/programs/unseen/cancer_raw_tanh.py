"""cause: inputs_not_normalized; accepts: saturated_activation."""

import torch
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(59)
    x, y = load_breast_cancer(return_X_y=True)
    x, y = torch.tensor(x).float(), torch.tensor(y).float().unsqueeze(1)
    order = torch.randperm(len(x))
    x, y = x[order], y[order]
    # repaired only: x = (x - x[:450].mean(0)) / x[:450].std(0)
    model = nn.Sequential(nn.Linear(30, 24), nn.Tanh(), nn.Linear(24, 1), nn.Sigmoid())
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    run.on_start(model, criterion, optimizer, (x[:25], y[:25]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(12):
        total = 0.0
        for rows in torch.randperm(450).split(25):
            optimizer.zero_grad()
            share = model(x[rows])
            loss = criterion(share, y[rows])
            run.on_batch((x[rows], y[rows]), share, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 18
        with torch.no_grad():
            val = criterion(model(x[450:]), y[450:]).item()
        run.on_epoch_end(total, val)
        print(f"epoch {epoch}: {total:.4f} {val:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
