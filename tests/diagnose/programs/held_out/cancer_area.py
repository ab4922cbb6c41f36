"""cause: targets_not_normalized."""

import torch
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(7)
    data = torch.tensor(load_breast_cancer().data, dtype=torch.float32)
    # the worst area of the nucleus, from the ten mean measurements
    x, y = data[:, :10], data[:, 23:24]
    x = (x - x.mean(0)) / x.std(0)
    # repaired only: y = (y - y.mean()) / y.std()
    perm = torch.randperm(len(x))
    x_train, y_train, x_val, y_val = x[perm[:450]], y[perm[:450]], x[perm[450:]], y[perm[450:]]

    model = nn.Sequential(nn.Linear(10, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1))
    criterion = nn.L1Loss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.5)
    run.on_start(model, criterion, optimizer, (x_train[:25], y_train[:25]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(40):
        order, total = torch.randperm(450), 0.0
        for i in range(0, 450, 25):
            xb, yb = x_train[order[i : i + 25]], y_train[order[i : i + 25]]
            optimizer.zero_grad()
            pred = model(xb)
            loss = criterion(pred, yb)
            run.on_batch((xb, yb), pred, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 18
        with torch.no_grad():
            pred = model(x_val)
            val = criterion(pred, y_val).item()
        run.on_epoch_end(total, val)
        if epoch % 8 == 7:
            r2 = 1 - ((pred - y_val) ** 2).mean() / y_val.var()
            print(f"epoch {epoch + 1} train {total:.4f} val {val:.4f} r2 {r2:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
