"""cause: momentum_too_high; accepts: loss_oscillating."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn

torch.set_num_threads(1)
ACCUMULATE = 2
MOMENTUM = 0.995  # repaired: MOMENTUM = 0.9


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 48), nn.SiLU(), nn.Linear(48, 48), nn.SiLU())
        self.digit, self.ink = nn.Linear(48, 10), nn.Linear(48, 1)

    def forward(self, x):
        h = self.body(x)
        return self.digit(h), self.ink(h).squeeze(1)


def both(output, target):
    logits, ink = output
    return F.cross_entropy(logits, target[0]) + F.smooth_l1_loss(ink, target[1])


def train(run):
    torch.manual_seed(2)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    ink = x.sum(1)
    ink = (ink - ink.mean()) / ink.std()
    model = Heads()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=MOMENTUM, nesterov=True)
    run.on_start(model, both, optimizer, (x[:16], (y[:16], ink[:16])))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(10):
        total, batches = 0.0, torch.randperm(1408).split(16)
        for number, rows in enumerate(batches, 1):
            target = (y[rows], ink[rows])
            output = model(x[rows])
            loss = both(output, target)
            run.on_batch((x[rows], target), output, loss)
            (loss / ACCUMULATE).backward()
            total += loss.item() / len(batches)
            if number % ACCUMULATE == 0:
                optimizer.step()
                optimizer.zero_grad()
                run.on_step_end(step, epoch, model, optimizer)
                step += 1
        with torch.no_grad():
            output = model(x[1408:])
            val_loss = both(output, (y[1408:], ink[1408:])).item()
        run.on_epoch_end(total, val_loss)
        accuracy = (output[0].argmax(1) == y[1408:]).float().mean()
        print(f"epoch {epoch}: loss {total:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
