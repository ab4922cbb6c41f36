"""cause: bad_initialization."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale
from torch import nn

torch.set_num_threads(1)


class Wide(nn.Module):
    def __init__(self, width=128):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(30, width), nn.Linear(width, width), nn.Linear(width, width)])
        self.out = nn.Linear(width, 2)
        std = 1.0  # repaired: std = 0.1
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=std)

    def forward(self, x):
        for layer in self.layers:
            x = F.relu(layer(x))
        return self.out(x)


def train(run):
    torch.manual_seed(0)
    x, y = load_breast_cancer(return_X_y=True)
    x, y = torch.tensor(scale(x), dtype=torch.float32), torch.tensor(y)
    perm = torch.randperm(len(x))
    x, y = x[perm], y[perm]

    net = Wide()
    opt = torch.optim.Adam(net.parameters(), lr=5e-4)
    run.on_start(net, F.cross_entropy, opt, (x[:32], y[:32]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(16):
        losses = []
        for idx in torch.randperm(416).split(32):
            out = net(x[idx])
            loss = F.cross_entropy(out, y[idx])
            run.on_batch((x[idx], y[idx]), out, loss)
            opt.zero_grad()
            loss.backward()
            opt.step()
            run.on_step_end(step, epoch, net, opt)
            step += 1
            losses.append(loss.item())
        with torch.no_grad():
            out = net(x[416:])
            val = F.cross_entropy(out, y[416:]).item()
        run.on_epoch_end(sum(losses) / len(losses), val)
        if epoch % 5 == 0:
            accuracy = (out.argmax(1) == y[416:]).float().mean()
            print(f"epoch {epoch}: train {sum(losses) / len(losses):.3f} val {val:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
