"""cause: lr_too_high; accepts: loss_oscillating, dead_relu."""

import torch
from nobody import Nobody
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def spirals(count):
    turn = torch.rand(count, 1)
    arm = torch.randint(3, (count, 1))
    angle = 5 * turn + arm * 2 * torch.pi / 3
    return torch.cat([turn * angle.cos(), turn * angle.sin()], 1) + 0.02 * torch.randn(count, 2), arm.squeeze(1)


def train(run):
    torch.manual_seed(40)
    x, y = spirals(1200)
    val_x, val_y = spirals(300)
    model = nn.Sequential(nn.Linear(2, 64), nn.ELU(), nn.Linear(64, 64), nn.ELU(), nn.Linear(64, 3))
    rate = 30.0  # repaired: rate = 0.1
    optimizer = torch.optim.Adagrad(model.parameters(), lr=rate)
    run.on_start(model, F.cross_entropy, optimizer, (x[:48], y[:48]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(16):
        total, parts = 0.0, torch.randperm(1200).split(48)
        for rows in parts:
            logits = model(x[rows])
            loss = F.cross_entropy(logits, y[rows])
            run.on_batch((x[rows], y[rows]), logits, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(parts)
        with torch.no_grad():
            logits = model(val_x)
        run.on_epoch_end(total, F.cross_entropy(logits, val_y).item())
        print(f"epoch {epoch}: {total:.3f}, accuracy {(logits.argmax(1) == val_y).float().mean():.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
