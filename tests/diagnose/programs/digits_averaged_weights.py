"""healthy: an exponential average of the weights is what is validated."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=35, shuffle=True)
    model = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10))
    ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.98))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.5)
    run.on_start(model, F.cross_entropy, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(10):
        total = 0.0
        for xb, yb in loader:
            optimizer.zero_grad()
            output = model(xb)
            loss = F.cross_entropy(output, yb)
            run.on_batch((xb, yb), output, loss)
            loss.backward()
            optimizer.step()
            ema.update_parameters(model)
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            output = ema(x[1400:])
            val_loss = F.cross_entropy(output, y[1400:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 3 == 0:
            accuracy = (output.argmax(1) == y[1400:]).float().mean()
            print(f"epoch {epoch}: train {total:.3f}, averaged model {val_loss:.3f}, acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
