"""cause: missing_nonlinearity."""

import torch
from nobody import Nobody
from sklearn.datasets import make_moons
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(2, 50), nn.Linear(50, 50), nn.Linear(50, 2)

    def forward(self, x):
        x = self.a(x)  # repaired: x = self.a(x).relu()
        x = self.b(x)  # repaired: x = self.b(x).relu()
        return self.c(x)


def train(run):
    torch.manual_seed(50)
    x, y = make_moons(1500, noise=0.12, random_state=50)
    loader = DataLoader(TensorDataset(torch.tensor(x).float(), torch.tensor(y)), batch_size=50, shuffle=True)
    model = Stack()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run.on_start(model, F.cross_entropy, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(12):
        total = 0.0
        for points, side in loader:
            optimizer.zero_grad()
            scores = model(points)
            loss = F.cross_entropy(scores, side)
            run.on_batch((points, side), scores, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
