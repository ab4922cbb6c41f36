"""cause: gradient_clipped_too_tight."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn


class RowGRU(nn.Module):
    """Reads an image row by row."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(8, 32, batch_first=True)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        _, h = self.gru(x)
        return self.head(h[-1])


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    digits = load_digits()
    images, labels = torch.tensor(digits.images).float() / 16, torch.tensor(digits.target)
    train_x, train_y, val_x, val_y = images[:1400], labels[:1400], images[1400:], labels[1400:]

    model = RowGRU()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    run.on_start(model, loss_fn, optimizer, (train_x[:50], train_y[:50]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(10):
        total = 0.0
        for idx in torch.randperm(1400).split(50):
            x, y = train_x[idx], train_y[idx]
            logits = model(x)
            loss = loss_fn(logits, y)
            run.on_batch((x, y), logits, loss)
            optimizer.zero_grad()
            loss.backward()
            # recurrent nets are unstable otherwise
            limit = 1e-5  # repaired: limit = 0.5
            nn.utils.clip_grad_value_(model.parameters(), limit)
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 28
        with torch.no_grad():
            logits = model(val_x)
            val = loss_fn(logits, val_y).item()
        run.on_epoch_end(total, val)
        print(f"epoch {epoch:2d} train {total:.3f} val {val:.3f} acc {(logits.argmax(1) == val_y).float().mean():.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
