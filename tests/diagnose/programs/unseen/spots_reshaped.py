"""cause: layout_scrambled."""

import torch
from nobody import Nobody
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def pictures(count, size=12):
    """Smooth spots of one of three colours, height by width by channel, as a camera gives them."""
    kind = torch.randint(3, (count,))
    row, column = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    centre = torch.randint(3, size - 3, (2, count, 1, 1))
    spot = torch.exp(-((row - centre[0]) ** 2 + (column - centre[1]) ** 2) / 9)
    colour = 0.3 + 0.7 * F.one_hot(kind, 3).float()
    return spot.unsqueeze(3) * colour[:, None, None] + 0.15 * torch.randn(count, size, size, 3), kind


def train(run):
    torch.manual_seed(62)
    x, y = pictures(1280)
    x = x.reshape(-1, 3, 12, 12)  # repaired: x = x.permute(0, 3, 1, 2).contiguous()
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 3),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run.on_start(model, F.cross_entropy, optimizer, (x[:32], y[:32]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(6):
        total = 0.0
        for rows in torch.randperm(1280).split(32):
            optimizer.zero_grad()
            scores = model(x[rows])
            loss = F.cross_entropy(scores, y[rows])
            run.on_batch((x[rows], y[rows]), scores, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 40
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
