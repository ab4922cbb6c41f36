"""healthy: two losses of different size in one sum."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn

torch.set_num_threads(1)


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
        self.classes = nn.Linear(64, 10)
        self.pixels = nn.Linear(64, 64)

    def forward(self, x):
        h = self.trunk(x)
        return self.classes(h), self.pixels(h)


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)

    def loss_fn(output, target):
        logits, rebuilt = output
        labels, images = target
        return F.cross_entropy(logits, labels) + 5 * F.mse_loss(rebuilt, images)

    model = TwoHeads()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    run.on_start(model, loss_fn, optimizer, (x[:50], (y[:50], x[:50])))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(12):
        total = 0.0
        for idx in torch.randperm(1400).split(50):
            target = (y[idx], x[idx])
            optimizer.zero_grad()
            output = model(x[idx])
            loss = loss_fn(output, target)
            run.on_batch((x[idx], target), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 28
        with torch.no_grad():
            output = model(x[1400:])
            val_loss = loss_fn(output, (y[1400:], x[1400:])).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 4 == 3:
            accuracy = (output[0].argmax(1) == y[1400:]).float().mean()
            mse = F.mse_loss(output[1], x[1400:])
            print(f"epoch {epoch + 1}: loss {total:.3f} val {val_loss:.3f} acc {accuracy:.3f} mse {mse:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
