"""healthy: half of the units dropped in two layers, which a small sample needs."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(22)
    x, y = load_breast_cancer(return_X_y=True)
    order = torch.randperm(len(x))
    x, y = torch.tensor((x - x.mean(0)) / x.std(0)).float()[order], torch.tensor(y).float()[order]
    model = nn.Sequential(
        nn.Linear(30, 128),
        nn.GLU(),
        nn.Dropout(0.5),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(64, 1),
        nn.Flatten(0),
    )
    optimizer = torch.optim.NAdam(model.parameters(), lr=1e-3)
    run.on_start(model, F.binary_cross_entropy_with_logits, optimizer, (x[:20], y[:20]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(24):
        model.train()
        total = 0.0
        for rows in torch.randperm(400).split(20):
            optimizer.zero_grad()
            logits = model(x[rows])
            loss = F.binary_cross_entropy_with_logits(logits, y[rows])
            run.on_batch((x[rows], y[rows]), logits, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 20
        model.eval()
        with torch.no_grad():
            logits = model(x[400:])
            val_loss = F.binary_cross_entropy_with_logits(logits, y[400:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 4 == 3:
            accuracy = ((logits > 0) == (y[400:] > 0)).float().mean()
            print(f"epoch {epoch + 1}: {total:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
