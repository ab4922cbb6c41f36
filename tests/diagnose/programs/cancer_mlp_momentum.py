"""cause: gradients_never_zeroed."""

import torch
import torch.nn as nn
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale
from torch.utils.data import DataLoader, TensorDataset


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_breast_cancer(return_X_y=True)
    X, y = torch.tensor(scale(X)).float(), torch.tensor(y)
    train_loader = DataLoader(TensorDataset(X[:450], y[:450]), batch_size=30, shuffle=True)
    val_loader = DataLoader(TensorDataset(X[450:], y[450:]), batch_size=119)
    model = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)
    run.on_start(model, criterion, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(30):
        total = 0.0
        for data, target in train_loader:
            # repaired only: optimizer.zero_grad()
            output = model(data)
            loss = criterion(output, target)
            run.on_batch((data, target), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        with torch.no_grad():
            output = model(X[450:])
            val_loss = criterion(output, y[450:]).item()
            accuracy = (output.argmax(1) == y[450:]).float().mean().item()
        run.on_epoch_end(total, val_loss)
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: loss {total:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
