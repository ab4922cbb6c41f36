"""cause: bad_initialization."""

import torch
from nobody import Nobody
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def shapes(count, size=12):
    """A box, a cross or a disc somewhere in a noisy picture."""
    kind = torch.randint(3, (count,))
    row, column = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    away = torch.stack([row - torch.randint(4, 8, (count, 1, 1)), column - torch.randint(4, 8, (count, 1, 1))])
    box = (away.abs().amax(0) <= 3) & (away.abs().amax(0) >= 2)
    cross = (away.abs().amin(0) == 0) & (away.abs().amax(0) <= 3)
    disc = away.square().sum(0) <= 7
    picture = torch.where(kind[:, None, None] == 0, box, torch.where(kind[:, None, None] == 1, cross, disc))
    return (picture.float() + 0.4 * torch.randn(count, size, size)).unsqueeze(1), kind


class Sorter(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 10, 3, padding=1), nn.Conv2d(10, 16, 3, padding=1)
        self.out = nn.Linear(16 * 9, 3)
        for layer in (self.first, self.second, self.out):
            nn.init.normal_(layer.weight, std=2e-4)  # repaired: nn.init.kaiming_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        return self.out(F.max_pool2d(F.relu(self.second(x)), 2).flatten(1))


def train(run):
    torch.manual_seed(48)
    x, y = shapes(1200)
    model = Sorter()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
    run.on_start(model, F.cross_entropy, optimizer, (x[:30], y[:30]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(7):
        total = 0.0
        for rows in torch.randperm(1200).split(30):
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
