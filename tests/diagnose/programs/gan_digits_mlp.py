"""cause: discriminator_too_weak."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn

torch.set_num_threads(1)


class Generator(nn.Module):
    def __init__(self, latent=16, width=72):
        super().__init__()
        self.latent = latent
        self.net = nn.Sequential(
            nn.Linear(latent, width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, 64),
            nn.Tanh(),
        )

    def forward(self, n):
        return self.net(torch.randn(n, self.latent))


class Discriminator(nn.Module):
    def __init__(self, width=72):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(64, width),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.3),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.3),
            nn.Linear(width, 1),
        )

    def forward(self, x):
        return self.net(x)


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x = torch.tensor(x / 8 - 1, dtype=torch.float32)
    G, D = Generator(), Discriminator()
    lr_g, lr_d = 1e-3, 2e-5  # repaired: lr_g, lr_d = 1e-3, 1e-2
    opt_g = torch.optim.Adam(G.parameters(), lr=lr_g, betas=(0.5, 0.999))
    opt_d = torch.optim.Adam(D.parameters(), lr=lr_d, betas=(0.5, 0.999))
    bce = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(64, 1), torch.zeros(64, 1)
    model = nn.ModuleDict({"generator": G, "discriminator": D})
    run.on_start(model, None, [opt_g, opt_d], (x[:64], ones))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(11):
        sums = [0.0, 0.0]
        for idx in torch.randperm(len(x))[:1792].split(64):
            real = x[idx]
            opt_d.zero_grad()
            logits = D(real), D(G(64).detach())
            d_loss = bce(logits[0], ones) + bce(logits[1], zeros)
            run.on_batch((real, ones), logits, d_loss)
            d_loss.backward()
            opt_d.step()

            opt_g.zero_grad()
            fooled = D(G(64))
            g_loss = bce(fooled, ones)
            run.on_batch((real, ones), (logits[0].detach(), fooled), g_loss)
            g_loss.backward()
            opt_g.step()
            run.on_step_end(step, epoch, model, [opt_g, opt_d])
            step += 1
            sums = [sums[0] + d_loss.item() / 28, sums[1] + g_loss.item() / 28]
        run.on_epoch_end(sum(sums), None)
        if epoch % 5 == 0:
            with torch.no_grad():
                fake = G(500)
            distance, nearest = torch.cdist(fake, x).min(1)
            classes = (torch.tensor(y)[nearest].bincount(minlength=10) > 10).sum()
            quality = f"digits {classes} distance {distance.mean():.2f} spread {torch.pdist(fake).mean():.2f}"
            print(f"[{epoch + 1}] D {sums[0]:.3f} G {sums[1]:.3f} {quality}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
