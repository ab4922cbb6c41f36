"""cause: overfitting."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import make_moons
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
SAMPLES, EPOCHS = 80, 140  # repaired: SAMPLES, EPOCHS = 2000, 8


def train(run):
    torch.manual_seed(16)
    points, labels = make_moons(SAMPLES + 500, noise=0.35, random_state=1)
    x = torch.cat([torch.tensor(points).float(), torch.randn(SAMPLES + 500, 8)], 1)
    y = torch.tensor(labels).float()
    train_loader = DataLoader(TensorDataset(x[500:], y[500:]), batch_size=20, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[:500], y[:500]), batch_size=500)
    model = nn.Sequential(nn.Linear(10, 64), nn.SELU(), nn.Linear(64, 64), nn.SELU(), nn.Linear(64, 1), nn.Flatten(0))
    optimizer = torch.optim.NAdam(model.parameters(), lr=2e-3)
    run.on_start(model, F.binary_cross_entropy_with_logits, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(EPOCHS):
        total = 0.0
        for batch, moon in train_loader:
            optimizer.zero_grad()
            logits = model(batch)
            loss = F.binary_cross_entropy_with_logits(logits, moon)
            run.on_batch((batch, moon), logits, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        with torch.no_grad():
            logits = model(x[:500])
            val_loss = F.binary_cross_entropy_with_logits(logits, y[:500]).item()
        run.on_epoch_end(total, val_loss)
        accuracy = ((logits > 0) == (y[:500] > 0)).float().mean()
        print(f"epoch {epoch}: {total:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
