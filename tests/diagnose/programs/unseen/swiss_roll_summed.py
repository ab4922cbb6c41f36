"""cause: loss_scale_wrong; accepts: lr_too_high."""

import torch
from nobody import Nobody
from sklearn.datasets import make_swiss_roll
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(74)
    x, y = make_swiss_roll(1600, noise=0.3, random_state=74)
    x, y = torch.tensor(x / 8).float(), torch.tensor((y - 9.4) / 2.8).float().unsqueeze(1)
    model = nn.Sequential(nn.Linear(3, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 1))
    criterion = nn.MSELoss(reduction="sum")  # repaired: criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.8)
    run.on_start(model, criterion, optimizer, (x[:64], y[:64]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(12):
        total = 0.0
        for rows in torch.randperm(1600).split(64):
            optimizer.zero_grad()
            guess = model(x[rows])
            loss = criterion(guess, y[rows])
            run.on_batch((x[rows], y[rows]), guess, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 25
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
