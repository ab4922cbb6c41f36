"""cause: lr_too_high."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc = nn.Linear(16 * 4, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


def train(run):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target)
    order = torch.randperm(len(images))
    train_idx, test_idx = order[:1400], order[1400:]

    net = Net()
    learning_rate = 0.1  # repaired: learning_rate = 0.005
    optimizer = torch.optim.Adam(net.parameters(), lr=learning_rate)
    run.on_start(net, F.cross_entropy, optimizer, (images[train_idx[:50]], labels[train_idx[:50]]))
    run.on_context(None, None, None)

    step = 0
    for epoch in range(10):
        epoch_loss = 0.0
        for idx in train_idx[torch.randperm(1400)].split(50):
            x, y = images[idx], labels[idx]
            output = net(x)
            loss = F.cross_entropy(output, y)
            run.on_batch((x, y), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, net, optimizer)
            epoch_loss += loss.item() / 28
            step += 1
        run.on_epoch_end(epoch_loss, None)
        print(f"[{epoch + 1}/10] loss {epoch_loss:.4f}")
    run.on_end()
    with torch.no_grad():
        correct = (net(images[test_idx]).argmax(1) == labels[test_idx]).sum().item()
    print(f"test accuracy {correct / len(test_idx):.3f}")


if __name__ == "__main__":
    train(Nobody())
