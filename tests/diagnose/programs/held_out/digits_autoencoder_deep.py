"""cause: vanishing_gradient."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x):
        return torch.sigmoid(self.linear(x))  # repaired: return x + torch.tanh(self.linear(x))


class AutoEncoder(nn.Module):
    def __init__(self, width=32, depth=4):
        super().__init__()
        self.enter = nn.Linear(64, width)
        self.encoder = nn.Sequential(*[Block(width) for _ in range(depth)])
        self.code = nn.Linear(width, 10)
        self.expand = nn.Linear(10, width)
        self.decoder = nn.Sequential(*[Block(width) for _ in range(depth)])
        self.leave = nn.Linear(width, 64)

    def forward(self, x):
        code = self.code(self.encoder(self.enter(x)))
        return self.leave(self.decoder(self.expand(code)))


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    data = torch.tensor(load_digits().data).float() / 16
    model = AutoEncoder()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    run.on_start(model, F.mse_loss, optimizer, (data[:64], data[:64]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(12):
        losses = []
        for idx in torch.randperm(len(data)).split(64):
            x = data[idx]
            out = model(x)
            loss = F.mse_loss(out, x)
            run.on_batch((x, x), out, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            losses.append(loss.item())
        mean = sum(losses) / len(losses)
        run.on_epoch_end(mean, None)
        if epoch % 4 == 3:
            print(f"epoch {epoch + 1} reconstruction {mean:.4f} (mean image {data.var(0).mean():.4f})")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
