"""cause: lr_too_high; accepts: loss_oscillating."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn

torch.set_num_threads(1)
LR = 4e-2  # repaired: LR = 8e-3


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        return x + self.down(F.relu(self.up(self.norm(x))))


def train(run):
    torch.manual_seed(3)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    order = torch.randperm(len(x))
    x, y = x[order], y[order]
    model = nn.Sequential(nn.Linear(64, 32), Block(32), Block(32), Block(32), nn.Linear(32, 10))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=LR)
    run.on_start(model, F.cross_entropy, optimizer, (x[:12], y[:12]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(6):
        total, batches = 0.0, torch.randperm(1440).split(12)
        for rows in batches:
            optimizer.zero_grad()
            logits = model(x[rows])
            loss = F.cross_entropy(logits, y[rows])
            run.on_batch((x[rows], y[rows]), logits, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(batches)
        with torch.no_grad():
            logits = model(x[1440:])
            val_loss = F.cross_entropy(logits, y[1440:]).item()
        run.on_epoch_end(total, val_loss)
        accuracy = (logits.argmax(1) == y[1440:]).float().mean()
        print(f"epoch {epoch}: loss {total:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
