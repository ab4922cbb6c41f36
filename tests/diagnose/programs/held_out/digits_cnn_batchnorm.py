"""cause: lr_too_low."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


def build():
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 10),
    )


def train(run):
    torch.manual_seed(7)
    torch.set_num_threads(1)
    digits = load_digits()
    dataset = TensorDataset(torch.tensor(digits.images).float().unsqueeze(1) / 16, torch.tensor(digits.target))
    train_set, val_set = random_split(dataset, [1400, 397])
    train_loader = DataLoader(train_set, batch_size=50, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=397)

    model = build()
    loss_fn = nn.CrossEntropyLoss()
    opt = torch.optim.Adam(model.parameters(), lr=1e-5)  # repaired: opt = torch.optim.Adam(model.parameters(), 0.01)
    run.on_start(model, loss_fn, opt, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(6):
        model.train()
        train_loss = 0.0
        for x, y in train_loader:
            output = model(x)
            loss = loss_fn(output, y)
            run.on_batch((x, y), output, loss)
            opt.zero_grad()
            loss.backward()
            opt.step()
            run.on_step_end(step, epoch, model, opt)
            step += 1
            train_loss += loss.item() / len(train_loader)
        model.eval()
        with torch.no_grad():
            x, y = next(iter(val_loader))
            output = model(x)
            val_loss = loss_fn(output, y).item()
        run.on_epoch_end(train_loss, val_loss)
        print(f"{epoch}: {train_loss:.3f} / {val_loss:.3f}, accuracy {(output.argmax(1) == y).float().mean():.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
