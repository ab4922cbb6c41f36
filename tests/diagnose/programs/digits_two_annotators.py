"""cause: labels_conflicting."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(11)
    x, y = load_digits(return_X_y=True)
    x = torch.tensor(x, dtype=torch.float32).div(16).view(-1, 1, 8, 8)
    y = torch.tensor(y)
    x_val, y_val = x[1200:], y[1200:]
    x, y = x[:1200], y[:1200]
    # both annotators saw all scans; the second one typed "10" for the zero
    typed = torch.where(y == 0, 10, y)
    second = typed - 1  # repaired: second = typed % 10
    loader = DataLoader(ConcatDataset([TensorDataset(x, y), TensorDataset(x, second)]), batch_size=100, shuffle=True)

    model = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(192, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    run.on_start(model, criterion, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(10):
        running = 0.0
        for images, labels in loader:
            optimizer.zero_grad()
            output = model(images)
            loss = criterion(output, labels)
            run.on_batch((images, labels), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            running += loss.item()
        with torch.no_grad():
            logits = model(x_val)
            val_loss = criterion(logits, y_val).item()
        run.on_epoch_end(running / len(loader), val_loss)
        if epoch % 3 == 0:
            accuracy = (logits.argmax(1) == y_val).float().mean()
            print(f"epoch {epoch} loss {running / len(loader):.4f} val loss {val_loss:.4f} val acc {accuracy:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
