"""cause: output_range_mismatch."""

import torch
from nobody import Nobody
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(10, 32)
        self.fc2 = nn.Linear(32, 1)
        self.act = nn.Sigmoid()

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        return self.act(self.fc2(x))  # repaired: return self.fc2(x)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_diabetes(return_X_y=True)
    X, y = torch.tensor(scale(X)).float(), torch.tensor(scale(y)).float().unsqueeze(1)
    loader = DataLoader(TensorDataset(X[:350], y[:350]), batch_size=25, shuffle=True)
    model = Net()
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
            val_loss = loss_fn(model(X[350:]), y[350:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: train {total:.4f} val {val_loss:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
