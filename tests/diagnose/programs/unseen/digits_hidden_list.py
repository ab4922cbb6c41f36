"""cause: parameters_not_in_optimizer."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


class Mixture(nn.Module):
    """Three experts and a gate."""

    def __init__(self):
        super().__init__()
        experts = [nn.Sequential(nn.Linear(64, 24), nn.GELU(), nn.Linear(24, 10)) for _ in range(3)]
        self.experts = experts  # repaired: self.experts = nn.ModuleList(experts)
        self.gate = nn.Linear(64, 3)

    def forward(self, x):
        said = torch.stack([expert(x) for expert in self.experts], 1)
        return (self.gate(x).softmax(1).unsqueeze(2) * said).sum(1)


def train(run):
    torch.manual_seed(64)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16).float(), torch.tensor(y)
    model = Mixture()
    optimizer = torch.optim.Adamax(model.parameters(), lr=6e-3)
    run.on_start(model, F.cross_entropy, optimizer, (x[:32], y[:32]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(6):
        total, parts = 0.0, torch.randperm(1600).split(32)
        for rows in parts:
            optimizer.zero_grad()
            scores = model(x[rows])
            loss = F.cross_entropy(scores, y[rows])
            run.on_batch((x[rows], y[rows]), scores, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(parts)
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
