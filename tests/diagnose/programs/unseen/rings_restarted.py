"""healthy: a classifier of rings with warm restarts, whose loss jumps at each."""

import torch
from nobody import Nobody
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def rings(count):
    x = 2 * torch.randn(count, 3)
    return x, torch.bucketize(x.norm(dim=1), torch.tensor([2.2, 3.2, 4.2]))


def train(run):
    torch.manual_seed(100)
    x, y = rings(1600)
    val_x, val_y = rings(400)
    model = nn.Sequential(nn.Linear(3, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.15, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=80, T_mult=2)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
    run.on_start(model, criterion, optimizer, (x[:40], y[:40]))
    run.on_context(None, None, schedule)
    step = 0
    for epoch in range(10):
        total = 0.0
        for rows in torch.randperm(1600).split(40):
            optimizer.zero_grad()
            scores = model(x[rows])
            loss = criterion(scores, y[rows])
            run.on_batch((x[rows], y[rows]), scores, loss)
            loss.backward()
            optimizer.step()
            schedule.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 40
        with torch.no_grad():
            val = F.cross_entropy(model(val_x), val_y).item()
        run.on_epoch_end(total, val)
        print(f"epoch {epoch}: {total:.4f} {val:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
