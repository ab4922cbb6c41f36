"""cause: nan_inputs."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn

torch.set_num_threads(1)


class SmallLeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc = nn.Linear(16 * 16, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.relu(self.conv2(x))
        return self.fc(x.flatten(1))


def train(run):
    torch.manual_seed(1)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    # per-pixel standardisation
    x = (x - x.mean(0)) / x.std(0)  # repaired: x = (x - x.mean(0)) / (x.std(0) + 1)
    x = x.view(-1, 1, 8, 8).clamp(-3, 3)
    x_val, y_val = x[1500:], y[1500:]

    model = SmallLeNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    run.on_start(model, F.cross_entropy, optimizer, (x[:50], y[:50]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(6):
        for i in range(0, 1500, 50):
            xb, yb = x[i : i + 50], y[i : i + 50]
            logits = model(xb)
            loss = F.cross_entropy(logits, yb)
            run.on_batch((xb, yb), logits, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
        with torch.no_grad():
            val = model(x_val)
        val_loss = F.cross_entropy(val, y_val).item()
        run.on_epoch_end(loss.item(), val_loss)
        accuracy = (val.argmax(1) == y_val).float().mean()
        print(f"epoch {epoch}: loss {loss.item():.3f}, val {val_loss:.3f}, acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
