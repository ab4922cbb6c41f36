"""healthy: RMSprop over batches of eight, whose loss is noisy but converges."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(21)
    digits = load_digits()
    order = torch.randperm(len(digits.data))
    x, y = torch.tensor(digits.images / 16).float()[order].unsqueeze(1), torch.tensor(digits.target)[order]
    train_loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=8, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[1400:], y[1400:]), batch_size=397)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.Hardswish(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.Hardswish(),
        nn.Flatten(),
        nn.Linear(256, 10),
    )
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, momentum=0.5)
    run.on_start(model, criterion, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(6):
        total = 0.0
        for images, labels in train_loader:
            optimizer.zero_grad()
            logits = model(images)
            loss = criterion(logits, labels)
            run.on_batch((images, labels), logits, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        with torch.no_grad():
            logits = model(x[1400:])
            val_loss = criterion(logits, y[1400:]).item()
        run.on_epoch_end(total, val_loss)
        print(f"{epoch}: {total:.3f} val {val_loss:.3f} acc {(logits.argmax(1) == y[1400:]).float().mean():.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
