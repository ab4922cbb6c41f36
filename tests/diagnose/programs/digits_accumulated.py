"""healthy: gradient accumulation, with a step and zeroed gradients after every fourth batch."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
ACCUMULATE = 4


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    loader = DataLoader(TensorDataset(x[:1408], y[:1408]), batch_size=16, shuffle=True)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    run.on_start(model, F.cross_entropy, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(8):
        total = 0.0
        for i, (xb, yb) in enumerate(loader):
            output = model(xb)
            loss = F.cross_entropy(output, yb)
            run.on_batch((xb, yb), output, loss)
            (loss / ACCUMULATE).backward()
            total += loss.item() / len(loader)
            if (i + 1) % ACCUMULATE == 0:
                optimizer.step()
                optimizer.zero_grad()
                run.on_step_end(step, epoch, model, optimizer)
                step += 1
        with torch.no_grad():
            output = model(x[1408:])
            val_loss = F.cross_entropy(output, y[1408:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 2:
            accuracy = (output.argmax(1) == y[1408:]).float().mean()
            print(f"epoch {epoch + 1}: {total:.3f} / {val_loss:.3f}, acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
