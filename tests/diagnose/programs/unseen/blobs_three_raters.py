"""cause: labels_conflicting."""

import torch
from nobody import Nobody
from sklearn.datasets import make_blobs
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(55)
    x, y = make_blobs(500, 6, centers=5, cluster_std=1.5, random_state=55)
    x, y = torch.tensor(x / 6).float(), torch.tensor(y)
    careless = 0.4  # repaired: careless = 0.0
    rated = torch.stack([torch.where(torch.rand(500) < careless, torch.randint(5, (500,)), y) for _ in range(3)], 1)
    x, y = x.repeat_interleave(3, 0), rated.reshape(-1)
    model = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 5))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    run.on_start(model, F.cross_entropy, optimizer, (x[:30], y[:30]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(10):
        total = 0.0
        for rows in torch.randperm(1500).split(30):
            optimizer.zero_grad()
            scores = model(x[rows])
            loss = F.cross_entropy(scores, y[rows])
            run.on_batch((x[rows], y[rows]), scores, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 50
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
