"""cause: softmax_before_cross_entropy."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 3, padding=1)
        self.conv2 = nn.Conv2d(10, 20, 3, padding=1)
        self.fc1 = nn.Linear(80, 40)
        self.fc2 = nn.Linear(40, 10)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        x = self.drop(F.relu(self.fc1(x.flatten(1))))
        return F.softmax(self.fc2(x), dim=1)  # repaired: return self.fc2(x)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    digits = load_digits()
    X, y = torch.tensor(digits.images).float().unsqueeze(1) / 16, torch.tensor(digits.target)
    loader = DataLoader(TensorDataset(X[:1400], y[:1400]), batch_size=64, shuffle=True)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.7)
    run.on_start(model, F.cross_entropy, optimizer, next(iter(loader)))
    run.on_context(loader, None, scheduler)
    step = 0
    for epoch in range(8):
        model.train()
        total = 0.0
        for x, target in loader:
            optimizer.zero_grad()
            output = model(x)
            loss = F.cross_entropy(output, target)
            run.on_batch((x, target), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        scheduler.step()
        model.eval()
        with torch.no_grad():
            output = model(X[1400:])
            test_loss = F.cross_entropy(output, y[1400:]).item()
        run.on_epoch_end(total, test_loss)
        accuracy = (output.argmax(1) == y[1400:]).float().mean()
        print(f"epoch {epoch + 1} train {total:.3f} test {test_loss:.3f} accuracy {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
