"""cause: degenerate_inputs."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(2)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.uint8)
    images = (images // 17).float()  # repaired: images = images.float() / 16
    labels = torch.tensor(digits.target)
    train_set = TensorDataset(images[:1300], labels[:1300])
    val_set = TensorDataset(images[1300:], labels[1300:])
    train_loader = DataLoader(train_set, batch_size=65, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=500)

    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, 10))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=0.5)
    run.on_start(model, loss_fn, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, scheduler)
    step = 0
    for epoch in range(15):
        model.train()
        seen = total = 0.0
        for xb, yb in train_loader:
            optimizer.zero_grad()
            output = model(xb)
            loss = loss_fn(output, yb)
            run.on_batch((xb, yb), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() * len(xb)
            seen += len(xb)
        scheduler.step()
        model.eval()
        with torch.no_grad():
            xb, yb = next(iter(val_loader))
            output = model(xb)
        val_loss = loss_fn(output, yb).item()
        run.on_epoch_end(total / seen, val_loss)
        if epoch % 5 == 4:
            accuracy = (output.argmax(1) == yb).float().mean()
            print(f"epoch {epoch + 1} train {total / seen:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
