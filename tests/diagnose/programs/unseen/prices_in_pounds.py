"""cause: targets_not_normalized."""

import torch
from nobody import Nobody
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(60)
    x = torch.randn(1000, 8)
    y = 240_000 + 50_000 * (x[:, 0] + (x[:, 1] * x[:, 2]).tanh() + 0.1 * torch.randn(1000))
    # repaired only: y = (y - y.mean()) / y.std()
    loader = DataLoader(TensorDataset(x, y), batch_size=40, shuffle=True)
    model = nn.Sequential(nn.Linear(8, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 1), nn.Flatten(0))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run.on_start(model, F.l1_loss, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(12):
        total = 0.0
        for house, price in loader:
            optimizer.zero_grad()
            guess = model(house)
            loss = F.l1_loss(guess, price)
            run.on_batch((house, price), guess, loss)
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
