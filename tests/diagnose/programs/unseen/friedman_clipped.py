"""cause: gradient_clipped_too_tight."""

import torch
from nobody import Nobody
from sklearn.datasets import make_friedman1
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(45)
    x, y = make_friedman1(1400, noise=0.3, random_state=45)
    x, y = torch.tensor(x).float(), torch.tensor(y).float()
    y = ((y - y.mean()) / y.std()).unsqueeze(1)
    model = nn.Sequential(nn.Linear(10, 40), nn.Softplus(), nn.Linear(40, 20), nn.Softplus(), nn.Linear(20, 1))
    criterion = nn.SmoothL1Loss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    limit = 2e-5  # repaired: limit = 1.0
    run.on_start(model, criterion, optimizer, (x[:28], y[:28]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(10):
        total = 0.0
        for rows in torch.randperm(1120).split(28):
            optimizer.zero_grad()
            guess = model(x[rows])
            loss = criterion(guess, y[rows])
            run.on_batch((x[rows], y[rows]), guess, loss)
            loss.backward()
            nn.utils.clip_grad_value_(model.parameters(), limit)
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 40
        with torch.no_grad():
            val = criterion(model(x[1120:]), y[1120:]).item()
        run.on_epoch_end(total, val)
        print(f"epoch {epoch}: {total:.4f} {val:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
