"""healthy: a one-cycle schedule, whose rate climbs tenfold in the middle."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
EPOCHS = 12


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    perm = torch.randperm(len(x))
    x, y = x[perm], y[perm]
    train_loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=70, shuffle=True, drop_last=True)
    val_loader = DataLoader(TensorDataset(x[1400:], y[1400:]), batch_size=397)
    model = nn.Sequential(nn.Linear(64, 80), nn.ReLU(), nn.Linear(80, 40), nn.ReLU(), nn.Linear(40, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.25, epochs=EPOCHS, steps_per_epoch=len(train_loader), div_factor=10
    )
    run.on_start(model, criterion, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, scheduler)
    step = 0
    for epoch in range(EPOCHS):
        total = 0.0
        for xb, yb in train_loader:
            optimizer.zero_grad()
            output = model(xb)
            loss = criterion(output, yb)
            run.on_batch((xb, yb), output, loss)
            loss.backward()
            optimizer.step()
            scheduler.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        with torch.no_grad():
            xv, yv = next(iter(val_loader))
            output = model(xv)
            val_loss = criterion(output, yv).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 4 == 3:
            accuracy = (output.argmax(1) == yv).float().mean()
            print(
                f"epoch {epoch + 1}: lr {scheduler.get_last_lr()[0]:.4f} {total:.3f} {val_loss:.3f} acc {accuracy:.3f}"
            )
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
