"""healthy: gradients of four small batches a step, and a running mean of the weights that is judged."""

import copy

import torch
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(98)
    x, y = load_breast_cancer(return_X_y=True)
    order = torch.randperm(569)
    x, y = torch.tensor(scale(x)).float()[order], torch.tensor(y).float()[order]
    model = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(0))
    shadow = copy.deepcopy(model).requires_grad_(False)
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    run.on_start(model, criterion, optimizer, (x[:6], y[:6]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(8):
        total, parts = 0.0, torch.randperm(456).split(6)
        for number, rows in enumerate(parts, 1):
            logit = model(x[rows])
            loss = criterion(logit, y[rows])
            run.on_batch((x[rows], y[rows]), logit, loss)
            (loss / 4).backward()
            total += loss.item() / len(parts)
            if number % 4 == 0:
                optimizer.step()
                optimizer.zero_grad()
                with torch.no_grad():
                    for slow, fast in zip(shadow.parameters(), model.parameters(), strict=True):
                        slow.lerp_(fast, 0.1)
                run.on_step_end(step, epoch, model, optimizer)
                step += 1
        with torch.no_grad():
            val = criterion(shadow(x[456:]), y[456:]).item()
        run.on_epoch_end(total, val)
        print(f"epoch {epoch}: {total:.4f} {val:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
