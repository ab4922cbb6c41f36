"""healthy: a cosine schedule that ends at a rate of zero, with a good fit."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
EPOCHS = 10


def train(run):
    torch.manual_seed(25)
    digits = load_digits()
    order = torch.randperm(len(digits.data))
    x, y = torch.tensor(digits.images / 16).float()[order], torch.tensor(digits.target)[order]
    train_loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=28, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[1400:], y[1400:]), batch_size=397)
    model = nn.Sequential(nn.Conv1d(8, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.08, momentum=0.9, nesterov=True)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * len(train_loader))
    run.on_start(model, criterion, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, scheduler)
    step = 0
    for epoch in range(EPOCHS):
        total = 0.0
        for columns, labels in train_loader:
            optimizer.zero_grad()
            logits = model(columns)
            loss = criterion(logits, labels)
            run.on_batch((columns, labels), logits, loss)
            loss.backward()
            optimizer.step()
            scheduler.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        with torch.no_grad():
            logits = model(x[1400:])
            val_loss = criterion(logits, y[1400:]).item()
        run.on_epoch_end(total, val_loss)
        accuracy = (logits.argmax(1) == y[1400:]).float().mean()
        print(f"{epoch}: {total:.3f} val {val_loss:.3f} acc {accuracy:.3f} lr {scheduler.get_last_lr()[0]:.2g}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
