"""cause: sigmoid_before_bce_with_logits."""

import torch
from nobody import Nobody
from sklearn.datasets import make_multilabel_classification
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(70)
    x, y = make_multilabel_classification(1200, 20, n_classes=6, n_labels=2, random_state=70)
    x, y = torch.tensor(x / 5).float(), torch.tensor(y).float()
    loader = DataLoader(TensorDataset(x[:1000], y[:1000]), batch_size=40, shuffle=True)
    end = [nn.Sigmoid()]  # repaired: end = []
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 6), *end)
    criterion = nn.MultiLabelSoftMarginLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    run.on_start(model, criterion, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(10):
        total = 0.0
        for words, topics in loader:
            optimizer.zero_grad()
            said = model(words)
            loss = criterion(said, topics)
            run.on_batch((words, topics), said, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            val = criterion(model(x[1000:]), y[1000:]).item()
        run.on_epoch_end(total, val)
        print(f"epoch {epoch}: {total:.4f} {val:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
