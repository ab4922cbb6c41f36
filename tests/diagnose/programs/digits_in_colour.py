"""cause: layout_scrambled."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(6)
    digits = load_digits()
    gray = torch.tensor(digits.images, dtype=torch.float32) / 16
    # ink and paper in random colours, as photographs come: height, width, channels
    ink, paper = 0.6 * torch.rand(len(gray), 1, 1, 3), 1 - 0.6 * torch.rand(len(gray), 1, 1, 3)
    photos = gray[..., None] * ink + (1 - gray[..., None]) * paper
    photos = photos.view(-1, 3, 8, 8)  # repaired: photos = photos.permute(0, 3, 1, 2)
    y = torch.tensor(digits.target)
    loader = DataLoader(TensorDataset(photos[:1500], y[:1500]), batch_size=50, shuffle=True)
    x_val, y_val = photos[1500:], y[1500:]

    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(14):
        model.train()
        total = 0.0
        for xb, yb in loader:
            optimizer.zero_grad()
            output = model(xb)
            loss = loss_fn(output, yb)
            run.on_batch((xb, yb), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        model.eval()
        with torch.no_grad():
            output = model(x_val)
        val_loss = loss_fn(output, y_val).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 4 == 3:
            accuracy = (output.argmax(1) == y_val).float().mean()
            print(f"epoch {epoch + 1}: train {total:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
