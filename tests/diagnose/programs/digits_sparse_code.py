"""cause: dead_relu."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn

torch.set_num_threads(1)


class SparseNet(nn.Module):
    """Hidden units that fire only above a threshold, for a sparse code."""

    def __init__(self, threshold):
        super().__init__()
        self.threshold = threshold
        self.first = nn.Linear(64, 64)
        self.second = nn.Linear(64, 10)

    def forward(self, x):
        return self.second(F.relu(self.first(x) - self.threshold))


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)

    model = SparseNet(threshold=3.0)  # repaired: model = SparseNet(threshold=0.1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    run.on_start(model, F.cross_entropy, optimizer, (x[:70], y[:70]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(12):
        losses = []
        for idx in torch.randperm(1400).split(70):
            output = model(x[idx])
            loss = F.cross_entropy(output, y[idx])
            run.on_batch((x[idx], y[idx]), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            losses.append(loss.item())
        with torch.no_grad():
            output = model(x[1400:])
            val_loss = F.cross_entropy(output, y[1400:]).item()
        run.on_epoch_end(sum(losses) / len(losses), val_loss)
        if epoch % 4 == 3:
            accuracy = (output.argmax(1) == y[1400:]).float().mean()
            print(f"epoch {epoch + 1} {sum(losses) / len(losses):.3f} / {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
