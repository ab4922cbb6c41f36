"""cause: nan_inputs."""

import numpy as np
import torch
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(8)
    np.seterr(all="ignore")
    x, y = load_breast_cancer(return_X_y=True)
    # the measurements are skewed to the right
    x = np.log(x)  # repaired: x = np.log1p(x)
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.25, random_state=0)
    mean, std = x_train.mean(0), x_train.std(0)
    x_train, x_val = (torch.tensor((part - mean) / std, dtype=torch.float32) for part in (x_train, x_val))
    y_train, y_val = (torch.tensor(part, dtype=torch.float32).view(-1, 1) for part in (y_train, y_val))
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True)

    net = nn.Sequential(nn.Linear(30, 24), nn.LeakyReLU(), nn.Linear(24, 1))
    criterion = nn.BCEWithLogitsLoss()
    opt = torch.optim.Adam(net.parameters(), lr=1e-3)
    run.on_start(net, criterion, opt, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(15):
        total = 0.0
        for xb, yb in loader:
            opt.zero_grad()
            out = net(xb)
            loss = criterion(out, yb)
            run.on_batch((xb, yb), out, loss)
            loss.backward()
            opt.step()
            run.on_step_end(step, epoch, net, opt)
            step += 1
            total += loss.item()
        with torch.no_grad():
            out = net(x_val)
        val = criterion(out, y_val).item()
        run.on_epoch_end(total / len(loader), val)
        if epoch % 7 == 0:
            accuracy = ((out > 0) == (y_val > 0)).float().mean()
            print(f"{epoch:3d} train {total / len(loader):.4f} val {val:.4f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
