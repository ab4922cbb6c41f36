"""cause: missing_nonlinearity."""

import torch
from nobody import Nobody
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def bars(count):
    """Images with three bars, light or dark, that stand or lie."""
    images, lying = 0.3 * torch.randn(count, 1, 8, 8), torch.randint(2, (count,))
    for image, lies in zip(images, lying, strict=True):
        for at in torch.randperm(8)[:3]:
            shade = 1.0 if torch.rand(1) < 0.5 else -1.0
            if lies:
                image[0, at] += shade
            else:
                image[0, :, at] += shade
    return images, lying


def train(run):
    torch.manual_seed(9)
    x, y = bars(1000)
    train_loader = DataLoader(TensorDataset(x[:800], y[:800]), batch_size=20, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[800:], y[800:]), batch_size=200)
    model = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1),
        # repaired only: nn.ReLU(),
        nn.Conv2d(12, 12, 3, padding=1),
        # repaired only: nn.ReLU(),
        nn.AvgPool2d(4),
        nn.Flatten(),
        nn.Linear(48, 2),
    )
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.NAdam(model.parameters(), lr=3e-3)
    run.on_start(model, criterion, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(12):
        total = 0.0
        for images, labels in train_loader:
            optimizer.zero_grad()
            scores = model(images)
            loss = criterion(scores, labels)
            run.on_batch((images, labels), scores, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        with torch.no_grad():
            scores = model(x[800:])
            val_loss = criterion(scores, y[800:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 3 == 2:
            accuracy = (scores.argmax(1) == y[800:]).float().mean()
            print(f"epoch {epoch + 1}: {total:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
