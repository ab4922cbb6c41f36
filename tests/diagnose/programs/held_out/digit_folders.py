"""cause: no_shuffling."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(2)
    digits = load_digits()
    x_train, x_val, y_train, y_val = train_test_split(digits.images / 16, digits.target, test_size=0.25, random_state=2)
    x_train, x_val = (torch.tensor(part, dtype=torch.float32).unsqueeze(1) for part in (x_train, x_val))
    y_train, y_val = torch.tensor(y_train), torch.tensor(y_val)
    # one folder per digit, read one after the other
    listing = torch.cat([(y_train == k).nonzero()[:, 0] for k in range(10)])
    # repaired only: listing = listing[torch.randperm(len(listing))]
    x_train, y_train = x_train[listing], y_train[listing]

    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    run.on_start(model, loss_fn, optimizer, (x_train[:32], y_train[:32]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(8):
        total, batches = 0.0, list(zip(x_train.split(32), y_train.split(32), strict=True))
        for xb, yb in batches:
            optimizer.zero_grad()
            output = model(xb)
            loss = loss_fn(output, yb)
            run.on_batch((xb, yb), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item()
        with torch.no_grad():
            output = model(x_val)
            val_loss = loss_fn(output, y_val).item()
        run.on_epoch_end(total / len(batches), val_loss)
        accuracy = (output.argmax(1) == y_val).float().mean()
        print(f"epoch {epoch} loss {total / len(batches):.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
