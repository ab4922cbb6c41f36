"""cause: missing_nonlinearity."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn

torch.set_num_threads(1)


class Parity(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 128)
        self.fc2 = nn.Linear(128, 64)
        self.fc3 = nn.Linear(64, 2)

    def forward(self, x):
        x = self.fc1(x)  # repaired: x = F.relu(self.fc1(x))
        return self.fc3(self.fc2(x))


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y % 2)

    net = Parity()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    run.on_start(net, F.cross_entropy, optimizer, (x[:50], y[:50]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(20):
        losses = []
        for idx in torch.randperm(1400).split(50):
            optimizer.zero_grad()
            logits = net(x[idx])
            loss = F.cross_entropy(logits, y[idx])
            run.on_batch((x[idx], y[idx]), logits, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, net, optimizer)
            step += 1
            losses.append(loss.item())
        with torch.no_grad():
            logits = net(x[1400:])
            val_loss = F.cross_entropy(logits, y[1400:]).item()
        run.on_epoch_end(sum(losses) / len(losses), val_loss)
        if epoch % 5 == 4:
            accuracy = (logits.argmax(1) == y[1400:]).float().mean()
            print(f"epoch {epoch + 1}: {sum(losses) / len(losses):.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
