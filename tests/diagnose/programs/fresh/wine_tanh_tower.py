"""cause: vanishing_gradient."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_wine
from torch import nn

torch.set_num_threads(1)


class Tower(nn.Module):
    def __init__(self, depth=14, width=24):
        super().__init__()
        self.enter = nn.Linear(13, width)
        self.floors = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.leave = nn.Linear(width, 3)

    def forward(self, x):
        h = torch.tanh(self.enter(x))
        for floor in self.floors:
            h = torch.tanh(floor(h))  # repaired: h = h + torch.tanh(floor(h))
        return self.leave(h)


def train(run):
    torch.manual_seed(0)
    x, y = load_wine(return_X_y=True)
    order = torch.randperm(len(x))
    x, y = torch.tensor((x - x.mean(0)) / x.std(0)).float()[order], torch.tensor(y)[order]
    model = Tower()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.5, nesterov=True)
    run.on_start(model, F.cross_entropy, optimizer, (x[:14], y[:14]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(20):
        total = 0.0
        for rows in torch.randperm(140).split(14):
            optimizer.zero_grad(set_to_none=False)
            logits = model(x[rows])
            loss = F.cross_entropy(logits, y[rows])
            run.on_batch((x[rows], y[rows]), logits, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 10
        with torch.no_grad():
            logits = model(x[140:])
            val_loss = F.cross_entropy(logits, y[140:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 5 == 4:
            print(f"{epoch + 1}: {total:.3f} {val_loss:.3f} acc {(logits.argmax(1) == y[140:]).float().mean():.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
