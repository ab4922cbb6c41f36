"""cause: class_imbalance."""

import torch
from nobody import Nobody
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
WEIGHT = None  # repaired: WEIGHT = torch.tensor(20.0)


def parts(count):
    """Twelve measurements of parts, one in twenty-one of which is broken."""
    broken = (torch.arange(count) % 21 == 0).float()
    x = torch.randn(count, 12)
    x[:, :4] += 0.75 * broken[:, None]
    return x, broken


def train(run):
    torch.manual_seed(13)
    x, y = parts(2100)
    val_x, val_y = parts(1050)
    train_loader = DataLoader(TensorDataset(x, y), batch_size=42, shuffle=True)
    val_loader = DataLoader(TensorDataset(val_x, val_y), batch_size=1050)
    model = nn.Sequential(nn.Linear(12, 8), nn.Softplus(), nn.Linear(8, 1), nn.Flatten(0))
    criterion = nn.BCEWithLogitsLoss(pos_weight=WEIGHT)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, nesterov=True)
    run.on_start(model, criterion, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(14):
        total = 0.0
        for measured, broken in train_loader:
            optimizer.zero_grad()
            logits = model(measured)
            loss = criterion(logits, broken)
            run.on_batch((measured, broken), logits, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        with torch.no_grad():
            logits = model(val_x)
            val_loss = criterion(logits, val_y).item()
        run.on_epoch_end(total, val_loss)
        found, spared = (logits[val_y == 1] > 0).float().mean(), (logits[val_y == 0] < 0).float().mean()
        print(f"epoch {epoch}: {total:.3f} val {val_loss:.3f} broken found {found:.2f}, whole spared {spared:.2f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
