"""cause: layout_scrambled."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn

torch.set_num_threads(1)


class RowReader(nn.Module):
    """Reads an image row by row, time first."""

    def __init__(self, hidden=48):
        super().__init__()
        self.gru = nn.GRU(8, hidden)
        self.head = nn.Linear(hidden, 10)

    def forward(self, images):
        rows = images.reshape(8, -1, 8)  # repaired: rows = images.transpose(0, 1)
        states, _ = self.gru(rows)
        return self.head(states[-1])


def train(run):
    torch.manual_seed(0)
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32) / 8 - 1
    y = torch.tensor(digits.target)

    model = RowReader()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    run.on_start(model, F.cross_entropy, optimizer, (x[:64], y[:64]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(8):
        losses = []
        for idx in torch.randperm(1408).split(64):
            optimizer.zero_grad()
            logits = model(x[idx])
            loss = F.cross_entropy(logits, y[idx])
            run.on_batch((x[idx], y[idx]), logits, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            losses.append(loss.item())
        with torch.no_grad():
            val = model(x[1408:])
        val_loss = F.cross_entropy(val, y[1408:]).item()
        run.on_epoch_end(sum(losses) / len(losses), val_loss)
        accuracy = (val.argmax(1) == y[1408:]).float().mean()
        print(f"epoch {epoch} loss {sum(losses) / len(losses):.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
