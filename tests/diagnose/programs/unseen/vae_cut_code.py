"""cause: detached_graph."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode, self.moments = nn.Linear(64, 40), nn.Linear(40, 12)
        self.widen, self.paint = nn.Linear(6, 40), nn.Linear(40, 64)

    def forward(self, x):
        mean, log_var = self.moments(F.elu(self.encode(x))).chunk(2, 1)
        code = mean + (log_var / 2).exp() * torch.randn_like(mean)
        code = torch.tensor(code.tolist())  # repaired:
        mean, log_var = mean.detach(), log_var.detach()  # repaired:
        return self.paint(F.elu(self.widen(code))), mean, log_var


def negative_elbo(output, x):
    logits, mean, log_var = output
    rebuilt = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
    return rebuilt - 0.5 * (1 + log_var - mean**2 - log_var.exp()).sum(1).mean()


def train(run):
    torch.manual_seed(65)
    x = torch.tensor(load_digits().data / 16).float()[torch.randperm(1797)]
    model = Vae()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run.on_start(model, negative_elbo, optimizer, (x[:50], x[:50]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(8):
        total = 0.0
        for rows in torch.randperm(1500).split(50):
            optimizer.zero_grad()
            output = model(x[rows])
            loss = negative_elbo(output, x[rows])
            run.on_batch((x[rows], x[rows]), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 30
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
