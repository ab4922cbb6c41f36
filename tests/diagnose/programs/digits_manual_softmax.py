"""cause: numerical_instability."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def cross_entropy(scores, target):
    # repaired only: return nn.functional.cross_entropy(scores, target)
    exponentials = torch.exp(scores)
    p = exponentials / exponentials.sum(dim=1, keepdim=True)
    p = p[torch.arange(len(target)), target]
    return -torch.log(p).mean()


class Prototypes(nn.Module):
    """Scores an image by how well it matches learned prototypes, at a temperature."""

    def __init__(self, temperature=0.005):
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16))
        self.prototypes = nn.Parameter(torch.randn(10, 16) * 0.3)
        self.temperature = temperature

    def forward(self, x):
        return self.embed(x) @ self.prototypes.T / self.temperature


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_digits(return_X_y=True)
    X, y = torch.tensor(X / 16).float(), torch.tensor(y)
    loader = DataLoader(TensorDataset(X[:1500], y[:1500]), batch_size=50, shuffle=True)
    model = Prototypes()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run.on_start(model, cross_entropy, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(10):
        total = 0.0
        for x, target in loader:
            optimizer.zero_grad()
            scores = model(x)
            loss = cross_entropy(scores, target)
            run.on_batch((x, target), scores, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        run.on_epoch_end(total, None)
        with torch.no_grad():
            accuracy = (model(X[1500:]).argmax(1) == y[1500:]).float().mean()
        if epoch % 3 == 0:
            print(f"epoch {epoch}: {total:.3f}, accuracy {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
