"""cause: detached_graph."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn


class Reader(nn.Module):
    """Reads the rows of an image with a cell and classifies the last state."""

    def __init__(self, hidden=16):
        super().__init__()
        self.cell = nn.GRUCell(8, hidden)
        self.out = nn.Linear(hidden, 10)
        self.hidden = hidden

    def forward(self, rows):
        h = torch.zeros(len(rows), self.hidden)
        for t in range(rows.shape[1]):
            h = self.cell(rows[:, t], h)
        with torch.no_grad():  # repaired: with torch.enable_grad():
            h = F.layer_norm(h, (self.hidden,))
        return self.out(h)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    digits = load_digits()
    X, y = torch.tensor(digits.images).float() / 16, torch.tensor(digits.target)
    model = Reader()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=5e-3)
    run.on_start(model, F.cross_entropy, optimizer, (X[:64], y[:64]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(8):
        total, batches = 0.0, torch.randperm(1400).split(64)
        for idx in batches:
            logits = model(X[idx])
            loss = F.cross_entropy(logits, y[idx])
            run.on_batch((X[idx], y[idx]), logits, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(batches)
        with torch.no_grad():
            logits = model(X[1400:])
            accuracy = (logits.argmax(1) == y[1400:]).float().mean().item()
        run.on_epoch_end(total, F.cross_entropy(logits, y[1400:]).item())
        print(f"{epoch + 1}/8 loss {total:.3f} accuracy {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
