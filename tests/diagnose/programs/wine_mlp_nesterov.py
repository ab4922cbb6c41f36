"""cause: momentum_too_high; accepts: loss_oscillating."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_wine
from sklearn.preprocessing import scale
from torch import nn


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_wine(return_X_y=True)
    X, y = torch.tensor(scale(X)).float(), torch.tensor(y)
    order = torch.randperm(len(X))
    train_idx, test_idx = order[:130], order[130:]

    model = nn.Sequential(nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=0.1,
        momentum=0.99,  # repaired: momentum=0.9,
        nesterov=True,
    )
    run.on_start(model, F.cross_entropy, optimizer, (X[train_idx[:26]], y[train_idx[:26]]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(40):
        epoch_loss = 0.0
        for idx in train_idx[torch.randperm(130)].split(26):
            output = model(X[idx])
            loss = F.cross_entropy(output, y[idx])
            run.on_batch((X[idx], y[idx]), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            epoch_loss += loss.item() / 5
        with torch.no_grad():
            output = model(X[test_idx])
            test_loss = F.cross_entropy(output, y[test_idx]).item()
            accuracy = (output.argmax(1) == y[test_idx]).float().mean().item()
        run.on_epoch_end(epoch_loss, test_loss)
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: train {epoch_loss:.4f} test {test_loss:.4f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
