"""healthy: a variational autoencoder whose total loss rises while its KL term is phased in."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn

torch.set_num_threads(1)


class VAE(nn.Module):
    def __init__(self, latent=6):
        super().__init__()
        self.enc = nn.Linear(64, 64)
        self.mu, self.log_var = nn.Linear(64, latent), nn.Linear(64, latent)
        self.dec = nn.Sequential(nn.Linear(latent, 64), nn.ReLU(), nn.Linear(64, 64))

    def forward(self, x):
        h = F.relu(self.enc(x))
        mu, log_var = self.mu(h), self.log_var(h)
        z = mu + torch.randn_like(mu) * (0.5 * log_var).exp()
        return self.dec(z), mu, log_var


def train(run):
    torch.manual_seed(0)
    x = torch.tensor(load_digits().data / 16, dtype=torch.float32)
    model = VAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run.on_start(model, None, optimizer, (x[:60], x[:60]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(16):
        beta = min(1.0, epoch / 8)
        sums = [0.0, 0.0]
        for idx in torch.randperm(len(x))[:1740].split(60):
            logits, mu, log_var = model(x[idx])
            reconstruction = F.binary_cross_entropy_with_logits(logits, x[idx], reduction="none").sum(1).mean()
            kl = -0.5 * (1 + log_var - mu.pow(2) - log_var.exp()).sum(1).mean()
            loss = reconstruction + beta * kl
            run.on_batch((x[idx], x[idx]), logits, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            sums = [sums[0] + reconstruction.item() / 29, sums[1] + kl.item() / 29]
        run.on_epoch_end(sums[0] + beta * sums[1], None)
        if epoch % 3 == 0:
            print(f"epoch {epoch}: reconstruction {sums[0]:.2f} kl {sums[1]:.2f} beta {beta:.2f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
