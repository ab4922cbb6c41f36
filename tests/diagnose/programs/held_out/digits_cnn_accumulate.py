"""cause: gradients_zeroed_before_step."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    images, labels = load_digits().images / 16, load_digits().target
    images, labels = torch.tensor(images).float().unsqueeze(1), torch.tensor(labels)
    loader = DataLoader(TensorDataset(images[:1408], labels[:1408]), batch_size=16, shuffle=True)
    accumulate = 2  # micro-batches of 16, as if the batch were 32

    net = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 2), nn.ReLU(), nn.Flatten(), nn.Linear(64, 10)
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=0.0)
    run.on_start(net, F.cross_entropy, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(6):
        total = 0.0
        for i, (x, y) in enumerate(loader):
            output = net(x)
            loss = F.cross_entropy(output, y)
            run.on_batch((x, y), output, loss)
            (loss / accumulate).backward()
            if (i + 1) % accumulate == 0:
                optimizer.zero_grad()  # repaired: optimizer.step()
                optimizer.step()  # repaired: optimizer.zero_grad()
                run.on_step_end(step, epoch, net, optimizer)
                step += 1
            total += loss.item()
        run.on_epoch_end(total / len(loader), None)
        with torch.no_grad():
            accuracy = (net(images[1408:]).argmax(1) == labels[1408:]).float().mean()
        print(f"epoch {epoch + 1} loss {total / len(loader):.3f} accuracy {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
