"""cause: vanishing_gradient; accepts: saturated_activation."""

import torch
from nobody import Nobody
from sklearn.datasets import make_circles
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(46)
    x, y = make_circles(1280, noise=0.06, factor=0.5, random_state=46)
    x, y = torch.tensor(x).float(), torch.tensor(y).float().unsqueeze(1)
    layers = [nn.Linear(2, 24)]
    for _ in range(9):
        layers += [nn.Sigmoid(), nn.Linear(24, 24)]  # repaired: layers += [nn.ReLU(), nn.Linear(24, 24)]
    model = nn.Sequential(*layers, nn.LeakyReLU(), nn.Linear(24, 1))
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    run.on_start(model, criterion, optimizer, (x[:32], y[:32]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(12):
        total = 0.0
        for rows in torch.randperm(1024).split(32):
            optimizer.zero_grad()
            logit = model(x[rows])
            loss = criterion(logit, y[rows])
            run.on_batch((x[rows], y[rows]), logit, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 32
        with torch.no_grad():
            val = criterion(model(x[1024:]), y[1024:]).item()
        run.on_epoch_end(total, val)
        print(f"epoch {epoch}: {total:.4f} {val:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
