"""cause: batch_too_small."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def block(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU())


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    x, y, x_val, y_val = x[:1200], y[:1200], x[1200:], y[1200:]
    batch_size = 2  # repaired: batch_size = 50
    train_loader = DataLoader(TensorDataset(x, y), batch_size=batch_size, shuffle=True)

    model = nn.Sequential(block(64, 48), block(48, 48), block(48, 48), nn.Linear(48, 10))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    run.on_start(model, loss_fn, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, None, None)
    step = 0
    for epoch in range(3):
        model.train()
        total = 0.0
        for xb, yb in train_loader:
            optimizer.zero_grad()
            output = model(xb)
            loss = loss_fn(output, yb)
            run.on_batch((xb, yb), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        model.eval()
        with torch.no_grad():
            output = model(x_val)
            val_loss = loss_fn(output, y_val).item()
        run.on_epoch_end(total, val_loss)
        accuracy = (output.argmax(1) == y_val).float().mean()
        print(f"epoch {epoch + 1}: loss {total:.3f} val_loss {val_loss:.3f} val_acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
