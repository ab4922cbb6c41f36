"""cause: wrong_loss_for_task."""

import torch
from nobody import Nobody
from sklearn.datasets import make_blobs
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(73)
    x, y = make_blobs(1500, 8, centers=6, cluster_std=2.5, random_state=73)
    x, y = torch.tensor(x / 7).float(), torch.tensor(y)
    y = y.float().unsqueeze(1)  # repaired:
    outputs = 1  # repaired: outputs = 6
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, outputs))
    loss_of = F.smooth_l1_loss  # repaired: loss_of = F.cross_entropy
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    run.on_start(model, loss_of, optimizer, (x[:50], y[:50]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(8):
        total = 0.0
        for rows in torch.randperm(1500).split(50):
            optimizer.zero_grad()
            said = model(x[rows])
            loss = loss_of(said, y[rows])
            run.on_batch((x[rows], y[rows]), said, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 30
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
