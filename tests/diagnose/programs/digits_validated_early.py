"""cause: eval_mode_left_on."""

import itertools

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


class Net(nn.Module):
    def __init__(self, width=48, depth=8):
        super().__init__()
        sizes = [64] + [width] * depth
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(depth))
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.relu(norm(layer(x)))
        return self.head(x)


@torch.no_grad()
def validate(model, loader):
    model.eval()
    x, y = next(iter(loader))
    output = model(x)
    return F.cross_entropy(output, y).item(), (output.argmax(1) == y).float().mean().item()


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    train_loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=70, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[1400:], y[1400:]), batch_size=397)

    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    run.on_start(model, F.cross_entropy, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    val_loss, accuracy = validate(model, val_loader)
    print(f"before training: val {val_loss:.3f} acc {accuracy:.3f}")
    step = 0
    for epoch in range(10):
        # repaired only: model.train()
        total = 0.0
        for xb, yb in train_loader:
            optimizer.zero_grad()
            output = model(xb)
            loss = F.cross_entropy(output, yb)
            run.on_batch((xb, yb), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        val_loss, accuracy = validate(model, val_loader)
        run.on_epoch_end(total, val_loss)
        if epoch % 3 == 0:
            print(f"epoch {epoch}: train {total:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
