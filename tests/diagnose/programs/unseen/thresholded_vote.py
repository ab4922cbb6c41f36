"""cause: non_differentiable_operation; accepts: detached_graph."""

import torch
from nobody import Nobody
from sklearn.datasets import load_iris
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


class Vote(nn.Module):
    """Units that say yes or no, and a count of them for each kind."""

    def __init__(self):
        super().__init__()
        self.units, self.count = nn.Linear(4, 24), nn.Linear(24, 3)

    def forward(self, x):
        votes = (torch.sign(self.units(x)) + 1) / 2  # repaired: votes = torch.sigmoid(3 * self.units(x))
        return self.count(votes)


def train(run):
    torch.manual_seed(81)
    x, y = load_iris(return_X_y=True)
    x, y = torch.tensor(x).float(), torch.tensor(y)
    x = (x - x.mean(0)) / x.std(0)
    model = Vote()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    run.on_start(model, F.cross_entropy, optimizer, (x[:15], y[:15]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(20):
        total = 0.0
        for rows in torch.randperm(150).split(15):
            optimizer.zero_grad()
            scores = model(x[rows])
            loss = F.cross_entropy(scores, y[rows])
            run.on_batch((x[rows], y[rows]), scores, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 10
        run.on_epoch_end(total, None)
        if epoch % 5 == 4:
            print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
