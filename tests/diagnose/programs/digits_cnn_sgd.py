"""cause: missing_step."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(2),
        )
        self.classifier = nn.Linear(64, 10)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    digits = load_digits()
    X, y = torch.tensor(digits.images).float().unsqueeze(1) / 16, torch.tensor(digits.target)
    train_loader = DataLoader(TensorDataset(X[:1400], y[:1400]), batch_size=35, shuffle=True)
    model = ConvNet()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    run.on_start(model, criterion, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, None, None)
    step = 0
    for epoch in range(6):
        running_loss = 0.0
        for inputs, labels in train_loader:
            optimizer.zero_grad()
            outputs = model(inputs)
            loss = criterion(outputs, labels)
            run.on_batch((inputs, labels), outputs, loss)
            loss.backward()
            # repaired only: optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            running_loss += loss.item()
            step += 1
        run.on_epoch_end(running_loss / len(train_loader), None)
        with torch.no_grad():
            correct = (model(X[1400:]).argmax(1) == y[1400:]).float().mean().item()
        print(f"[epoch {epoch + 1}] loss: {running_loss / len(train_loader):.3f} accuracy: {correct:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
