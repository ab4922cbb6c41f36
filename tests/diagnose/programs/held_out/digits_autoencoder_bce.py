"""cause: sigmoid_before_bce_with_logits."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn


class AutoEncoder(nn.Module):
    def __init__(self, code=12):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, code))
        self.decoder = nn.Sequential(
            nn.Linear(code, 32),
            nn.ReLU(),
            nn.Linear(32, 64),
            nn.Sigmoid(),  # repaired:
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    images = (torch.tensor(load_digits().data) > 7).float()
    model = AutoEncoder()
    loss_fn = F.binary_cross_entropy_with_logits
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run.on_start(model, loss_fn, optimizer, (images[:60], images[:60]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(12):
        total, batches = 0.0, torch.randperm(len(images)).split(60)
        for idx in batches:
            x = images[idx]
            output = model(x)
            loss = loss_fn(output, x)
            run.on_batch((x, x), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(batches)
        run.on_epoch_end(total, None)
        if epoch % 3 == 2:
            print(f"epoch {epoch + 1}: bce per pixel {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
