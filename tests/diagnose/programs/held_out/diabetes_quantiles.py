"""healthy: three quantiles by the pinball loss, which never comes near zero."""

import torch
from nobody import Nobody
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


class PinballLoss(nn.Module):
    def __init__(self, quantiles):
        super().__init__()
        self.register_buffer("q", torch.tensor(quantiles))

    def forward(self, output, target):
        error = target - output
        return torch.maximum(self.q * error, (self.q - 1) * error).mean()


def train(run):
    torch.manual_seed(0)
    x, y = load_diabetes(return_X_y=True)
    x = torch.tensor(x / x.std(0), dtype=torch.float32)
    y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32).unsqueeze(1)
    train_loader = DataLoader(TensorDataset(x[:342], y[:342]), batch_size=38, shuffle=True)
    model = nn.Sequential(nn.Linear(10, 24), nn.ReLU(), nn.Linear(24, 3))
    loss_fn = PinballLoss([0.1, 0.5, 0.9])
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    run.on_start(model, loss_fn, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, None, None)
    step = 0
    for epoch in range(30):
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
            output = model(x[342:])
            val_loss = loss_fn(output, y[342:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 10 == 9:
            below = (y[342:] < output).float().mean(0)
            print(f"epoch {epoch + 1}: {total:.4f} val {val_loss:.4f} below {[round(b, 2) for b in below.tolist()]}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
