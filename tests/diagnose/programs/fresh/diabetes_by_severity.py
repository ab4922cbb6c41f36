"""cause: no_shuffling."""

import torch
from nobody import Nobody
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
SHUFFLE = False  # repaired: SHUFFLE = True


def train(run):
    torch.manual_seed(14)
    x, y = load_diabetes(return_X_y=True)
    order = torch.randperm(len(x))
    x, y = torch.tensor(x / x.std(0)).float()[order], torch.tensor((y - y.mean()) / y.std()).float()[order]
    mild_first = y[:342].argsort()
    data = TensorDataset(x[mild_first], y[mild_first])
    train_loader = DataLoader(data, batch_size=9, shuffle=SHUFFLE)
    val_loader = DataLoader(TensorDataset(x[342:], y[342:]), batch_size=100)
    model = nn.Sequential(nn.Linear(10, 24), nn.Mish(), nn.Linear(24, 1), nn.Flatten(0))
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.8, nesterov=True)
    run.on_start(model, criterion, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(20):
        total = 0.0
        for patients, progress in train_loader:
            optimizer.zero_grad()
            output = model(patients)
            loss = criterion(output, progress)
            run.on_batch((patients, progress), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        with torch.no_grad():
            val_loss = criterion(model(x[342:]), y[342:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 4 == 3:
            print(f"epoch {epoch + 1}: mse {total:.3f} val {val_loss:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
