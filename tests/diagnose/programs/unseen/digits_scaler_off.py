"""healthy: warm-up, a cosine and a gradient scaler that is off."""

import math

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(90)
    digits = load_digits()
    x, y = torch.tensor(digits.images / 16).float().unsqueeze(1), torch.tensor(digits.target)
    order = torch.randperm(len(x))
    x, y = x[order], y[order]
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.SiLU(), nn.Conv2d(16, 24, 3, stride=2), nn.SiLU(),
        nn.Flatten(), nn.Linear(216, 10),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.05)
    last = 6 * 38
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda at: min((at + 1) / 30, 0.5 + 0.5 * math.cos(math.pi * at / last))
    )
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    run.on_start(model, F.cross_entropy, optimizer, (x[:40], y[:40]))
    run.on_context(None, None, schedule)
    step = 0
    for epoch in range(6):
        model.train()
        total, parts = 0.0, torch.randperm(1500).split(40)
        for rows in parts:
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", enabled=False):
                scores = model(x[rows])
                loss = F.cross_entropy(scores, y[rows])
            run.on_batch((x[rows], y[rows]), scores, loss)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            schedule.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(parts)
        model.eval()
        with torch.no_grad():
            scores = model(x[1500:])
        run.on_epoch_end(total, F.cross_entropy(scores, y[1500:]).item())
        print(f"epoch {epoch}: {total:.4f}, accuracy {(scores.argmax(1) == y[1500:]).float().mean():.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
