"""cause: non_differentiable_operation."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_linnerud
from torch import nn


def mse(prediction, target):
    # repetitions are whole numbers
    return F.mse_loss(torch.round(prediction), target)  # repaired: return F.mse_loss(prediction, target)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    exercise, body = load_linnerud(return_X_y=True)
    y = torch.tensor(exercise[:, :2]).float() / torch.tensor([1.0, 10.0])
    X = torch.tensor(body).float()
    X = (X - X.mean(0)) / X.std(0)
    model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    run.on_start(model, mse, optimizer, (X, y))
    run.on_context(None, None, None)
    for step in range(300):
        output = model(X)
        loss = mse(output, y)
        run.on_batch((X, y), output, loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.on_step_end(step, step, model, optimizer)
        run.on_epoch_end(loss.item(), None)
        if step % 50 == 49:
            print(f"step {step + 1} mse {loss.item():.3f} (variance {y.var(0, correction=0).mean():.3f})")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
