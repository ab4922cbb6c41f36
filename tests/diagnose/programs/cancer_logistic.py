"""cause: bce_on_logits."""

import torch
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def binary_cross_entropy(p, target, eps=1e-6):
    p = p.clamp(eps, 1 - eps)
    return -(target * p.log() + (1 - target) * (1 - p).log()).mean()


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_breast_cancer(return_X_y=True)
    X, y = torch.tensor(scale(X)).float(), torch.tensor(y).float()
    loader = DataLoader(TensorDataset(X[:400], y[:400]), batch_size=40, shuffle=True)
    model = nn.Sequential(
        nn.Linear(30, 16),
        nn.ReLU(),
        nn.Linear(16, 1),
        # repaired only: nn.Sigmoid(),
        nn.Flatten(0),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    run.on_start(model, binary_cross_entropy, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(20):
        total = 0.0
        for x, target in loader:
            output = model(x)
            loss = binary_cross_entropy(output, target)
            run.on_batch((x, target), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            output = model(X[400:])
            accuracy = ((output > 0.5) == (y[400:] == 1)).float().mean()
        run.on_epoch_end(total, binary_cross_entropy(output, y[400:]).item())
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: loss {total:.3f}, test accuracy {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
