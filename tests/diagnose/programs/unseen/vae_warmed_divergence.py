"""healthy: a VAE whose second term comes in slowly, so that its loss rises."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))
        self.decode = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64))

    def forward(self, x):
        mean, log_var = self.encode(x).chunk(2, 1)
        return self.decode(mean + torch.randn_like(mean) * (log_var / 2).exp()), mean, log_var


def train(run):
    torch.manual_seed(91)
    x = torch.tensor(load_digits().data / 16).float()[torch.randperm(1797)]
    model = Vae()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    run.on_start(model, None, optimizer, (x[:50], x[:50]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(14):
        total = 0.0
        for rows in torch.randperm(1500).split(50):
            share = min(1.0, step / 300)
            rebuilt, mean, log_var = model(x[rows])
            error = 8 * F.mse_loss(rebuilt, x[rows], reduction="none").sum(1).mean()
            loss = error + share * 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1).mean()
            run.on_batch((x[rows], x[rows]), (rebuilt, mean, log_var), loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 30
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.3f}, of which the picture {error.item():.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
