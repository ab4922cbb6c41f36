"""cause: dropout_too_high."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(51)
    digits = load_digits()
    x = torch.tensor(StandardScaler().fit_transform(digits.data)).float()
    y = torch.tensor(digits.target)
    order = torch.randperm(len(x))
    x, y = x[order], y[order]
    share = 0.93  # repaired: share = 0.2
    model = nn.Sequential(
        nn.Linear(64, 64), nn.Mish(), nn.Dropout(share), nn.Linear(64, 64), nn.Mish(), nn.Dropout(share),
        nn.Linear(64, 10),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    run.on_start(model, nn.CrossEntropyLoss(), optimizer, (x[:48], y[:48]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(8):
        model.train()
        total = 0.0
        for rows in torch.randperm(1440).split(48):
            optimizer.zero_grad()
            scores = model(x[rows])
            loss = F.cross_entropy(scores, y[rows])
            run.on_batch((x[rows], y[rows]), scores, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 30
        model.eval()
        with torch.no_grad():
            val = F.cross_entropy(model(x[1440:]), y[1440:]).item()
        run.on_epoch_end(total, val)
        print(f"epoch {epoch}: {total:.4f} {val:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
