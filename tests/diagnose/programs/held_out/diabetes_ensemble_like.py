"""cause: dropout_too_high."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_diabetes
from torch import nn

torch.set_num_threads(1)


class Regressor(nn.Module):
    def __init__(self, drop):
        super().__init__()
        self.drop = drop
        self.fc1 = nn.Linear(10, 32)
        self.fc2 = nn.Linear(32, 1)

    def forward(self, x):
        h = F.dropout(F.relu(self.fc1(x)), self.drop, training=self.training)
        return self.fc2(h).squeeze(1)


def train(run):
    torch.manual_seed(0)
    x, y = load_diabetes(return_X_y=True)
    x = torch.tensor(x / x.std(0), dtype=torch.float32)
    y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32)
    x_train, y_train, x_val, y_val = x[:350], y[:350], x[350:], y[350:]

    model = Regressor(drop=0.95)  # repaired: model = Regressor(drop=0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    run.on_start(model, F.mse_loss, optimizer, (x_train[:25], y_train[:25]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(30):
        model.train()
        losses = []
        for idx in torch.randperm(350).split(25):
            output = model(x_train[idx])
            loss = F.mse_loss(output, y_train[idx])
            run.on_batch((x_train[idx], y_train[idx]), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            val_loss = F.mse_loss(model(x_val), y_val).item()
        run.on_epoch_end(sum(losses) / len(losses), val_loss)
        if epoch % 6 == 5:
            print(f"epoch {epoch + 1} train mse {sum(losses) / len(losses):.3f} val mse {val_loss:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
