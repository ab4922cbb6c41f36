"""cause: saturated_activation; accepts: bad_initialization."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_wine
from sklearn.preprocessing import scale
from torch import nn

torch.set_num_threads(1)


class SigmoidNet(nn.Module):
    def __init__(self, bias):
        super().__init__()
        self.a = nn.Linear(13, 24)
        self.b = nn.Linear(24, 24)
        self.c = nn.Linear(24, 3)
        for layer in (self.a, self.b):
            nn.init.constant_(layer.bias, bias)

    def forward(self, x):
        return self.c(torch.sigmoid(self.b(torch.sigmoid(self.a(x)))))


def train(run):
    torch.manual_seed(3)
    x, y = load_wine(return_X_y=True)
    x, y = torch.tensor(scale(x), dtype=torch.float32), torch.tensor(y)
    perm = torch.randperm(len(x))
    x, y = x[perm], y[perm]

    model = SigmoidNet(bias=12.0)  # repaired: model = SigmoidNet(bias=0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    run.on_start(model, F.cross_entropy, optimizer, (x[:20], y[:20]))
    run.on_context(None, None, None)
    for step in range(300):
        idx = torch.randint(130, (20,))
        output = model(x[idx])
        loss = F.cross_entropy(output, y[idx])
        run.on_batch((x[idx], y[idx]), output, loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.on_step_end(step, step // 60, model, optimizer)
        if step % 60 == 59:
            with torch.no_grad():
                output = model(x[130:])
                val_loss = F.cross_entropy(output, y[130:]).item()
            run.on_epoch_end(loss.item(), val_loss)
            accuracy = (output.argmax(1) == y[130:]).float().mean()
            print(f"step {step + 1} loss {loss.item():.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
