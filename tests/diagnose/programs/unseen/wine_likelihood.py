"""cause: nll_without_log_softmax."""

import torch
from nobody import Nobody
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(72)
    x, y = load_wine(return_X_y=True)
    order = torch.randperm(178)
    x, y = torch.tensor(StandardScaler().fit_transform(x)).float()[order], torch.tensor(y)[order]
    end = nn.Softmax(1)  # repaired: end = nn.LogSoftmax(1)
    model = nn.Sequential(nn.Linear(13, 16), nn.CELU(), nn.Linear(16, 3), end)
    criterion = nn.NLLLoss()
    optimizer = torch.optim.Rprop(model.parameters(), lr=1e-3)
    run.on_start(model, criterion, optimizer, (x[:140], y[:140]))
    run.on_context(None, None, None)
    for step in range(80):
        optimizer.zero_grad()
        said = model(x[:140])
        loss = criterion(said, y[:140])
        run.on_batch((x[:140], y[:140]), said, loss)
        loss.backward()
        optimizer.step()
        run.on_step_end(step, step // 20, model, optimizer)
        if step % 20 == 19:
            with torch.no_grad():
                val = criterion(model(x[140:]), y[140:]).item()
            run.on_epoch_end(loss.item(), val)
            print(f"step {step}: {loss.item():.4f} {val:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
