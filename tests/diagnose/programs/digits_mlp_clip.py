"""cause: gradient_clipped_too_tight."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

MAX_NORM = 0.005  # repaired: MAX_NORM = 1.0


def train(run):
    torch.manual_seed(5)
    torch.set_num_threads(1)
    digits = load_digits()
    X, y = torch.tensor(digits.data / 16).float(), torch.tensor(digits.target)
    train_loader = DataLoader(TensorDataset(X[:1400], y[:1400]), batch_size=32, shuffle=True, drop_last=True)
    val_loader = DataLoader(TensorDataset(X[1400:], y[1400:]), batch_size=100)
    model = nn.Sequential(nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 32), nn.GELU(), nn.Linear(32, 10))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run.on_start(model, loss_fn, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)

    step = 0
    for epoch in range(10):
        model.train()
        train_loss = 0.0
        for xb, yb in train_loader:
            optimizer.zero_grad()
            out = model(xb)
            loss = loss_fn(out, yb)
            run.on_batch((xb, yb), out, loss)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            train_loss += loss.item() / len(train_loader)
        model.eval()
        with torch.no_grad():
            outputs = torch.cat([model(xb) for xb, _ in val_loader])
        val_loss = loss_fn(outputs, y[1400:]).item()
        run.on_epoch_end(train_loss, val_loss)
        if epoch % 3 == 0:
            print(epoch, f"{train_loss:.3f} {val_loss:.3f} {(outputs.argmax(1) == y[1400:]).float().mean():.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
