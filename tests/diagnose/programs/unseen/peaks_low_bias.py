"""cause: dead_relu; accepts: bad_initialization."""

import torch
from nobody import Nobody
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(49)
    x = 4 * torch.rand(1500, 2) - 2
    y = (3 * x[:, 0].cos() * (2 * x[:, 1]).sin() + 0.1 * torch.randn(1500)).unsqueeze(1)
    model = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
    nn.init.constant_(model[2].bias, -6.0)  # repaired: nn.init.constant_(model[2].bias, 0.0)
    optimizer = torch.optim.NAdam(model.parameters(), lr=4e-3)
    run.on_start(model, F.l1_loss, optimizer, (x[:50], y[:50]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(15):
        total = 0.0
        for rows in torch.randperm(1500).split(50):
            optimizer.zero_grad()
            guess = model(x[rows])
            loss = F.l1_loss(guess, y[rows])
            run.on_batch((x[rows], y[rows]), guess, loss)
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
