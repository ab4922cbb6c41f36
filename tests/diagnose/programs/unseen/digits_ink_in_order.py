"""cause: no_shuffling."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(56)
    digits = load_digits()
    ink = torch.tensor(digits.data.sum(1)).float()
    ink = (ink - ink.mean()) / ink.std()
    order = ink.argsort()
    x, y = torch.tensor(digits.data / 16).float()[order], ink[order].unsqueeze(1)
    data = TensorDataset(x, y)
    loader = DataLoader(data, batch_size=36)  # repaired: loader = DataLoader(data, batch_size=36, shuffle=True)
    model = nn.Sequential(nn.Linear(64, 40), nn.Hardswish(), nn.Linear(40, 1))
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    run.on_start(model, criterion, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(6):
        total = 0.0
        for image, amount in loader:
            optimizer.zero_grad()
            guess = model(image)
            loss = criterion(guess, amount)
            run.on_batch((image, amount), guess, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
