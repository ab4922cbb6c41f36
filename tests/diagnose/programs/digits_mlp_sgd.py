"""cause: lr_too_high; accepts: loss_oscillating."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_digits(return_X_y=True)
    X = torch.tensor(X / 16, dtype=torch.float32)
    y = torch.tensor(y)
    X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.25, random_state=0)
    loader = DataLoader(TensorDataset(X_train, y_train), batch_size=64, shuffle=True)
    val_loader = DataLoader(TensorDataset(X_val, y_val), batch_size=256)

    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    loss_fn = nn.CrossEntropyLoss()
    lr = 3.0  # repaired: lr = 0.2
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, val_loader, None)
    step = 0
    for epoch in range(12):
        total = 0.0
        for x, target in loader:
            optimizer.zero_grad()
            output = model(x)
            loss = loss_fn(output, target)
            run.on_batch((x, target), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            total += loss.item()
            step += 1
        with torch.no_grad():
            val_output = model(X_val)
            val_loss = loss_fn(val_output, y_val).item()
            accuracy = (val_output.argmax(1) == y_val).float().mean().item()
        run.on_epoch_end(total / len(loader), val_loss)
        if epoch % 3 == 2:
            print(f"epoch {epoch} train {total / len(loader):.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
