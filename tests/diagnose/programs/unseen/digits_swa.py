"""healthy: averaged weights at a constant high rate, with statistics taken anew for BatchNorm at the end."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(97)
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(1797)
    x, y = torch.tensor(x / 16).float()[order], torch.tensor(y)[order]
    loader = DataLoader(TensorDataset(x[:1500], y[:1500]), batch_size=32, shuffle=True)
    model = nn.Sequential(nn.Linear(64, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Dropout(0.2), nn.Linear(48, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    averaged = AveragedModel(model)
    schedule = SWALR(optimizer, swa_lr=0.05, anneal_epochs=2)
    run.on_start(model, F.cross_entropy, optimizer, next(iter(loader)))
    run.on_context(loader, None, schedule)
    step = 0
    for epoch in range(6):
        model.train()
        total = 0.0
        for image, label in loader:
            optimizer.zero_grad()
            scores = model(image)
            loss = F.cross_entropy(scores, label)
            run.on_batch((image, label), scores, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        if epoch >= 3:
            averaged.update_parameters(model)
            schedule.step()
        model.eval()
        with torch.no_grad():
            val = F.cross_entropy(model(x[1500:]), y[1500:]).item()
        run.on_epoch_end(total, val)
        print(f"epoch {epoch}: {total:.4f} {val:.4f}")
    update_bn(loader, averaged)
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
