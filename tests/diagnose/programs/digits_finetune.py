"""cause: frozen_parameters."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3)
        self.conv2 = nn.Conv2d(4, 8, 3, stride=2)
        self.project = nn.Linear(8 * 4, 12)

    def forward(self, x):
        x = torch.tanh(self.conv1(x))
        x = torch.tanh(self.conv2(x))
        return torch.tanh(self.project(x.flatten(1)))


class Classifier(nn.Module):
    def __init__(self, backbone, classes):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(12, classes)

    def forward(self, x):
        return self.head(self.backbone(x))


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    digits = load_digits()
    X, y = torch.tensor(digits.images).float().unsqueeze(1) / 16, torch.tensor(digits.target)
    loader = DataLoader(TensorDataset(X[:1400], y[:1400]), batch_size=32, shuffle=True)
    model = Classifier(Backbone(), classes=10)
    for parameter in model.backbone.parameters():
        parameter.requires_grad = False  # repaired: parameter.requires_grad = True
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.5)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, scheduler)
    step = 0
    for epoch in range(8):
        total = 0.0
        for x, target in loader:
            output = model(x)
            loss = loss_fn(output, target)
            run.on_batch((x, target), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            total += loss.item() / len(loader)
            step += 1
        scheduler.step()
        run.on_epoch_end(total, None)
        with torch.no_grad():
            accuracy = (model(X[1400:]).argmax(1) == y[1400:]).float().mean().item()
        print(f"epoch {epoch} lr {scheduler.get_last_lr()[0]:.4f} loss {total:.3f} accuracy {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
