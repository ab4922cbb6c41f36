"""cause: same_batch_every_step."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    shuffle = False  # repaired: shuffle = True
    train_loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=32, shuffle=shuffle)
    val_loader = DataLoader(TensorDataset(x[1400:], y[1400:]), batch_size=400)

    model = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run.on_start(model, loss_fn, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    for step in range(400):
        inputs, targets = next(iter(train_loader))
        optimizer.zero_grad()
        output = model(inputs)
        loss = loss_fn(output, targets)
        run.on_batch((inputs, targets), output, loss)
        loss.backward()
        optimizer.step()
        run.on_step_end(step, step // 100, model, optimizer)
        if step % 100 == 99:
            with torch.no_grad():
                xv, yv = next(iter(val_loader))
                output = model(xv)
                val_loss = loss_fn(output, yv).item()
            run.on_epoch_end(loss.item(), val_loss)
            accuracy = (output.argmax(1) == yv).float().mean()
            print(f"step {step + 1}: train {loss.item():.4f} val {val_loss:.4f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
