"""healthy: batches of four, with a good fit."""

import torch
from nobody import Nobody
from sklearn.datasets import load_iris
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(26)
    x, y = load_iris(return_X_y=True)
    order = torch.randperm(150)
    x, y = torch.tensor((x - x.mean(0)) / x.std(0)).float()[order], torch.tensor(y)[order]
    train_loader = DataLoader(TensorDataset(x[:108], y[:108]), batch_size=4, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[108:], y[108:]), batch_size=42)
    model = nn.Sequential(nn.Linear(4, 12), nn.Softsign(), nn.Linear(12, 3))
    criterion = nn.MultiMarginLoss()
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.05)
    run.on_start(model, criterion, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(20):
        total = 0.0
        for flowers, species in train_loader:
            optimizer.zero_grad()
            scores = model(flowers)
            loss = criterion(scores, species)
            run.on_batch((flowers, species), scores, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        with torch.no_grad():
            scores = model(x[108:])
            val_loss = criterion(scores, y[108:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 4 == 3:
            print(f"{epoch + 1}: {total:.3f} {val_loss:.3f} acc {(scores.argmax(1) == y[108:]).float().mean():.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
