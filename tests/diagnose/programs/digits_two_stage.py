"""cause: parameters_not_in_optimizer."""

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
    loader = DataLoader(TensorDataset(X[:1400], y[:1400]), batch_size=50, shuffle=True)
    encoder = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16, 16),
        nn.ReLU(),
    )
    head = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 10))
    model = nn.Sequential(encoder, head)
    criterion = nn.CrossEntropyLoss()
    parameters = list(head.parameters())  # repaired: parameters = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=5e-3)

    run.on_start(model, criterion, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(10):
        total = 0.0
        for x, target in loader:
            optimizer.zero_grad()
            output = model(x)
            loss = criterion(output, target)
            run.on_batch((x, target), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            total += loss.item()
            step += 1
        run.on_epoch_end(total / len(loader), None)
        with torch.no_grad():
            accuracy = (model(X[1400:]).argmax(1) == y[1400:]).float().mean().item()
        if epoch % 3 == 0:
            print(f"epoch {epoch}: loss {total / len(loader):.3f}, accuracy {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
