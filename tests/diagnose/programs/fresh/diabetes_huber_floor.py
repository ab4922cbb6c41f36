"""healthy: a robust regression that levels off at the noise of its data."""

import torch
from nobody import Nobody
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(28)
    x, y = load_diabetes(return_X_y=True)
    order = torch.randperm(len(x))
    x, y = torch.tensor(x / x.std(0)).float()[order], torch.tensor((y - y.mean()) / y.std()).float()[order]
    train_loader = DataLoader(TensorDataset(x[:342], y[:342]), batch_size=18, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[342:], y[342:]), batch_size=100)
    model = nn.Sequential(nn.Linear(10, 6), nn.Tanh(), nn.Linear(6, 1), nn.Flatten(0))
    criterion = nn.HuberLoss(delta=0.7)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.05)
    run.on_start(model, criterion, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(24):
        total = 0.0
        for patients, progress in train_loader:
            optimizer.zero_grad()
            output = model(patients)
            loss = criterion(output, progress)
            run.on_batch((patients, progress), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        with torch.no_grad():
            output = model(x[342:])
            val_loss = criterion(output, y[342:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 4 == 3:
            r2 = 1 - (output - y[342:]).pow(2).mean() / y[342:].var()
            print(f"epoch {epoch + 1}: {total:.3f} val {val_loss:.3f} r2 {r2:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
