"""healthy: mixup and label smoothing, under which the training loss stays high."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(27)
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x))
    x, y = torch.tensor(x / 16).float()[order], torch.tensor(y)[order]
    hot = F.one_hot(y, 10).float()
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    model = nn.Sequential(nn.Linear(64, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Linear(96, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    mixing = torch.distributions.Beta(0.4, 0.4)
    run.on_start(model, criterion, optimizer, (x[:40], hot[:40]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(12):
        model.train()
        total = 0.0
        for rows in torch.randperm(1400).split(40):
            share, others = mixing.sample(), rows[torch.randperm(len(rows))]
            images = share * x[rows] + (1 - share) * x[others]
            labels = share * hot[rows] + (1 - share) * hot[others]
            optimizer.zero_grad()
            logits = model(images)
            loss = criterion(logits, labels)
            run.on_batch((images, labels), logits, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 35
        model.eval()
        with torch.no_grad():
            logits = model(x[1400:])
            val_loss = criterion(logits, hot[1400:]).item()
        run.on_epoch_end(total, val_loss)
        accuracy = (logits.argmax(1) == y[1400:]).float().mean()
        print(f"epoch {epoch}: {total:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
