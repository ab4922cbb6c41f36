"""cause: target_shape_broadcast."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn


class Counter(nn.Module):
    """Reads an image row by row and estimates which column its ink balances on."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(8, 24, batch_first=True)
        self.out = nn.Linear(24, 1)

    def forward(self, rows):
        _, h = self.gru(rows)
        return self.out(h[-1]).squeeze(1)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rows = torch.tensor(load_digits().images).float() / 16
    centre = (rows.sum(1) * torch.arange(8.0)).sum(1, keepdim=True) / rows.sum((1, 2)).unsqueeze(1)
    centre = (centre - centre.mean()) / centre.std()
    # repaired only: centre = centre.squeeze(1)
    model = Counter()

    def loss_fn(output, target):
        return ((output - target) ** 2).mean()

    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    run.on_start(model, loss_fn, optimizer, (rows[:50], centre[:50]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(5):
        total = 0.0
        for idx in torch.randperm(1500).split(50):
            output = model(rows[idx])
            loss = loss_fn(output, centre[idx])
            run.on_batch((rows[idx], centre[idx]), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 30
        with torch.no_grad():
            error = (model(rows[1500:]) - centre[1500:].ravel()).abs().mean()
        run.on_epoch_end(total, None)
        print(f"epoch {epoch + 1}: mse {total:.4f}, mean error on new images {error:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
