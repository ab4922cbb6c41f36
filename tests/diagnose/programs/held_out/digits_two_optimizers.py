"""healthy: two optimizers, one for the embedding and one for the head."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn

torch.set_num_threads(1)


class PixelTokens(nn.Module):
    """Every pixel's grey value is a token with its own vector at its own place."""

    def __init__(self):
        super().__init__()
        self.grey = nn.Embedding(17, 8)
        self.head = nn.Sequential(nn.Linear(64 * 8, 32), nn.ReLU(), nn.Linear(32, 10))

    def forward(self, x):
        return self.head(self.grey(x).flatten(1))


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.long), torch.tensor(y)
    model = PixelTokens()
    optimizers = [
        torch.optim.Adam(model.grey.parameters(), lr=5e-3),
        torch.optim.SGD(model.head.parameters(), lr=0.02, momentum=0.9),
    ]
    run.on_start(model, F.cross_entropy, optimizers, (x[:50], y[:50]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(8):
        total = 0.0
        for idx in torch.randperm(1400).split(50):
            for optimizer in optimizers:
                optimizer.zero_grad()
            output = model(x[idx])
            loss = F.cross_entropy(output, y[idx])
            run.on_batch((x[idx], y[idx]), output, loss)
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            run.on_step_end(step, epoch, model, optimizers)
            step += 1
            total += loss.item() / 28
        with torch.no_grad():
            output = model(x[1400:])
            val_loss = F.cross_entropy(output, y[1400:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 3 == 1:
            accuracy = (output.argmax(1) == y[1400:]).float().mean()
            print(f"epoch {epoch + 1} train {total:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
