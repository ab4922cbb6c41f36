"""cause: early_plateau."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


class Compressed(nn.Module):
    def __init__(self, code):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, code))
        self.classifier = nn.Linear(code, 10)

    def forward(self, x):
        return self.classifier(self.encoder(x))


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=50, shuffle=True)

    model = Compressed(code=1)  # repaired: model = Compressed(code=12)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(24):
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
        with torch.no_grad():
            output = model(x[1400:])
            val_loss = loss_fn(output, y[1400:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 6 == 5:
            accuracy = (output.argmax(1) == y[1400:]).float().mean()
            print(f"epoch {epoch + 1}: train {total:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
