"""cause: lr_killed_by_schedule."""

import torch
from nobody import Nobody
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(run):
    torch.manual_seed(2)
    torch.set_num_threads(1)
    X, y = load_diabetes(return_X_y=True, scaled=False)
    X, y = torch.tensor(X).float(), torch.tensor(y).float().unsqueeze(1)
    X, y = (X - X[:350].mean(0)) / X[:350].std(0), (y - y[:350].mean()) / y[:350].std()
    loader = DataLoader(TensorDataset(X[:350], y[:350]), batch_size=35, shuffle=True)
    val_loader = DataLoader(TensorDataset(X[350:], y[350:]), batch_size=92)

    model = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1))
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.5)
    # lower the learning rate whenever validation does not get better
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode="max",  # repaired: mode="min",
        factor=0.1,
        patience=0,  # repaired: patience=5,
    )
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, val_loader, scheduler)

    step = 0
    for epoch in range(30):
        train_loss = 0.0
        for x, target in loader:
            prediction = model(x)
            loss = loss_fn(prediction, target)
            run.on_batch((x, target), prediction, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            train_loss += loss.item() / len(loader)
        with torch.no_grad():
            val_loss = loss_fn(model(X[350:]), y[350:]).item()
        scheduler.step(val_loss)
        run.on_epoch_end(train_loss, val_loss)
        if epoch % 6 == 5:
            print(f"epoch {epoch + 1} train mse {train_loss:.3f} val mse {val_loss:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
