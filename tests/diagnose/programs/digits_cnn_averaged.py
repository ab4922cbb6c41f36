"""cause: loss_scale_wrong."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    digits = load_digits()
    X, y = torch.tensor(digits.images).float().unsqueeze(1) / 16, torch.tensor(digits.target)
    loader = DataLoader(TensorDataset(X[:1400], y[:1400]), batch_size=35, shuffle=True)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )
    cross_entropy = nn.CrossEntropyLoss()

    def loss_fn(output, target):
        loss = cross_entropy(output, target)
        return loss / (len(target) * len(loader))  # repaired: return loss

    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(6):
        epoch_loss = 0.0
        for x, target in loader:
            output = model(x)
            loss = loss_fn(output, target)
            run.on_batch((x, target), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            epoch_loss += loss.item()
        run.on_epoch_end(epoch_loss / len(loader), None)
        with torch.no_grad():
            accuracy = (model(X[1400:]).argmax(1) == y[1400:]).float().mean()
        print(f"epoch {epoch + 1}: loss {epoch_loss / len(loader):.5f}, accuracy {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
