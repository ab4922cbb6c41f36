"""cause: vanishing_gradient; accepts: saturated_activation."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def make_mlp(depth=8, width=48):
    layers = [nn.Linear(64, width), nn.ReLU()]
    for _ in range(depth):
        layers.append(nn.Linear(width, width))
        layers.append(nn.Sigmoid())  # repaired: layers.extend([nn.BatchNorm1d(width), nn.ReLU()])
    layers.append(nn.Linear(width, 10))
    return nn.Sequential(*layers)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_digits(return_X_y=True)
    X, y = torch.tensor(X / 8 - 1).float(), torch.tensor(y)
    loader = DataLoader(TensorDataset(X[:1500], y[:1500]), batch_size=50, shuffle=True)
    model = make_mlp()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    run.on_start(model, criterion, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)

    step = 0
    for epoch in range(10):
        running = 0.0
        # repaired only: model.train()
        for inputs, labels in loader:
            optimizer.zero_grad()
            outputs = model(inputs)
            loss = criterion(outputs, labels)
            run.on_batch((inputs, labels), outputs, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            running += loss.item()
        # repaired only: model.eval()
        with torch.no_grad():
            outputs = model(X[1500:])
            val_loss = criterion(outputs, y[1500:]).item()
            accuracy = (outputs.argmax(1) == y[1500:]).float().mean().item()
        run.on_epoch_end(running / len(loader), val_loss)
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1} loss {running / len(loader):.3f} val {val_loss:.3f} accuracy {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
