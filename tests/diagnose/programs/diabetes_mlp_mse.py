"""cause: target_shape_broadcast."""

import torch
from nobody import Nobody
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_diabetes(return_X_y=True)
    X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.2, random_state=0)
    x_scaler, y_scaler = StandardScaler().fit(X_train), StandardScaler().fit(y_train[:, None])
    X_train, X_val = torch.tensor(x_scaler.transform(X_train)).float(), torch.tensor(x_scaler.transform(X_val)).float()
    y_train = torch.tensor(y_scaler.transform(y_train[:, None]).ravel()).float()
    y_val = torch.tensor(y_scaler.transform(y_val[:, None]).ravel()).float()
    loader = DataLoader(TensorDataset(X_train, y_train), batch_size=32, shuffle=True, drop_last=True)

    model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
    # repaired only: model.append(nn.Flatten(0))
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(20):
        total = 0.0
        for x, target in loader:
            output = model(x)
            loss = loss_fn(output, target)
            run.on_batch((x, target), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            prediction = model(X_val).ravel()
        r2 = 1 - ((prediction - y_val) ** 2).mean() / y_val.var()
        run.on_epoch_end(total, None)
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: train {total:.3f}, R2 {r2:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
