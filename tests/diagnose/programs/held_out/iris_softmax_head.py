"""cause: nll_without_log_softmax."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale
from torch import nn


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_iris(return_X_y=True)
    X, y = torch.tensor(scale(X)).float(), torch.tensor(y)
    order = torch.randperm(150)
    X, y = X[order], y[order]
    model = nn.Sequential(
        nn.Linear(4, 16),
        nn.Tanh(),
        nn.Linear(16, 3),
        nn.Softmax(dim=-1),  # repaired: nn.LogSoftmax(dim=-1),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    run.on_start(model, F.nll_loss, optimizer, (X[:20], y[:20]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(30):
        total = 0.0
        for xb, yb in zip(X[:120].split(20), y[:120].split(20), strict=True):
            output = model(xb)
            loss = F.nll_loss(output, yb)
            run.on_batch((xb, yb), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 6
        with torch.no_grad():
            output = model(X[120:])
        run.on_epoch_end(total, F.nll_loss(output, y[120:]).item())
        if epoch % 10 == 9:
            accuracy = (output.argmax(1) == y[120:]).float().mean()
            print(f"epoch {epoch + 1}: loss {total:.3f}, accuracy {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
