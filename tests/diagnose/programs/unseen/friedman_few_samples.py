"""cause: overfitting."""

import torch
from nobody import Nobody
from sklearn.datasets import make_friedman2
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)
COUNT = 60  # repaired: COUNT = 1600


def train(run):
    torch.manual_seed(52)
    x, y = make_friedman2(2000, noise=150.0, random_state=52)
    x, y = torch.tensor(x).float(), torch.tensor(y).float().unsqueeze(1)
    x, y = (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()
    own, val_x, val_y = torch.arange(COUNT), x[1600:], y[1600:]
    width = 256  # repaired: width = 16
    model = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run.on_start(model, F.mse_loss, optimizer, (x[:20], y[:20]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(200):  # repaired: for epoch in range(8):
        total, parts = 0.0, own[torch.randperm(COUNT)].split(20)
        for rows in parts:
            optimizer.zero_grad()
            guess = model(x[rows])
            loss = F.mse_loss(guess, y[rows])
            run.on_batch((x[rows], y[rows]), guess, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(parts)
        with torch.no_grad():
            val = F.mse_loss(model(val_x), val_y).item()
        run.on_epoch_end(total, val)
        if epoch % 20 == 0:
            print(f"epoch {epoch}: {total:.4f} {val:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
