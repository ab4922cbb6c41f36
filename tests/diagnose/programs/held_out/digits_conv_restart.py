"""cause: bad_initialization."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def make_model():
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.1)  # repaired: nn.init.normal_(parameter, std=0.1)
    return model


def train(run):
    torch.manual_seed(9)
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    y = torch.tensor(digits.target)
    train_loader = DataLoader(TensorDataset(x[:1408], y[:1408]), batch_size=64, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[1408:], y[1408:]), batch_size=389)

    model = make_model()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    run.on_start(model, loss_fn, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(10):
        total = 0.0
        for xb, yb in train_loader:
            optimizer.zero_grad()
            output = model(xb)
            loss = loss_fn(output, yb)
            run.on_batch((xb, yb), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        with torch.no_grad():
            xv, yv = next(iter(val_loader))
            output = model(xv)
            val_loss = loss_fn(output, yv).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 3 == 0:
            print(f"{epoch} {total:.3f} {val_loss:.3f} acc {(output.argmax(1) == yv).float().mean():.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
