"""cause: labels_shuffled."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from torch import nn

torch.set_num_threads(1)
ACCUMULATE = 3


def train(run):
    torch.manual_seed(15)
    data = torch.tensor(load_breast_cancer().data).float()
    data = (data - data.mean(0)) / data.std(0)
    rows = torch.randperm(len(data))
    x = torch.cat([data[rows, :4], data[rows, 5:]], 1)
    rows = torch.randperm(len(data))  # repaired:
    y = data[rows, 4]
    model = nn.Sequential(nn.Linear(29, 12), nn.LeakyReLU(0.1), nn.Linear(12, 1), nn.Flatten(0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    run.on_start(model, F.mse_loss, optimizer, (x[:10], y[:10]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(24):
        total = 0.0
        for number, batch in enumerate(torch.randperm(450).split(10), 1):
            output = model(x[batch])
            loss = F.mse_loss(output, y[batch])
            run.on_batch((x[batch], y[batch]), output, loss)
            (loss / ACCUMULATE).backward()
            total += loss.item() / 45
            if number % ACCUMULATE == 0:
                optimizer.step()
                optimizer.zero_grad()
                run.on_step_end(step, epoch, model, optimizer)
                step += 1
        with torch.no_grad():
            val_loss = F.mse_loss(model(x[450:]), y[450:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 4 == 3:
            print(f"epoch {epoch + 1}: mse {total:.3f} val {val_loss:.3f} (variance {y[450:].var():.3f})")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
