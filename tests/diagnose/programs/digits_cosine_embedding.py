"""healthy: a negative cosine similarity as the loss, which falls to -1."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn

torch.set_num_threads(1)


def negative_cosine(output, target):
    return -F.cosine_similarity(output, target, dim=1).mean()


def train(run):
    torch.manual_seed(0)
    x = torch.tensor(load_digits().data / 16, dtype=torch.float32)
    # the lower half of an image from its upper half
    upper, lower = x[:, :32], x[:, 32:] - x[:, 32:].mean(0)
    model = nn.Sequential(nn.Linear(32, 96), nn.ReLU(), nn.Linear(96, 32))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    run.on_start(model, negative_cosine, optimizer, (upper[:50], lower[:50]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(14):
        total = 0.0
        for idx in torch.randperm(1400).split(50):
            optimizer.zero_grad()
            output = model(upper[idx])
            loss = negative_cosine(output, lower[idx])
            run.on_batch((upper[idx], lower[idx]), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 28
        with torch.no_grad():
            val_loss = negative_cosine(model(upper[1400:]), lower[1400:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 4 == 1:
            print(f"epoch {epoch + 1}: train {total:.3f} val {val_loss:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
