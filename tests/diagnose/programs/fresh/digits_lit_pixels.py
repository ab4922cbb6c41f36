"""cause: lr_too_low."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader

torch.set_num_threads(1)
LR = 1e-3  # repaired: LR = 0.05


class Bag(nn.Module):
    """A digit as the set of its lit pixels."""

    def __init__(self):
        super().__init__()
        self.bag = nn.EmbeddingBag(64, 32, mode="mean")
        self.head = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, pixels, offsets):
        return self.head(self.bag(pixels, offsets))


def collate(samples):
    lit = [(image > 7).nonzero().flatten() for image, _ in samples]
    offsets = torch.tensor([0] + [len(p) for p in lit[:-1]]).cumsum(0)
    return {"pixels": torch.cat(lit), "offsets": offsets, "label": torch.tensor([label for _, label in samples])}


def train(run):
    torch.manual_seed(1)
    digits = load_digits()
    samples = [(torch.tensor(image), int(label)) for image, label in zip(digits.data, digits.target, strict=True)]
    train_loader = DataLoader(samples[:1200], batch_size=40, shuffle=True, collate_fn=collate)
    val_loader = DataLoader(samples[1200:], batch_size=600, collate_fn=collate)
    model = Bag()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adagrad(model.parameters(), lr=LR)
    run.on_start(model, criterion, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(12):
        total = 0.0
        for batch in train_loader:
            optimizer.zero_grad()
            logits = model(batch["pixels"], batch["offsets"])
            loss = criterion(logits, batch["label"])
            run.on_batch(batch, logits, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        batch = next(iter(val_loader))
        with torch.no_grad():
            logits = model(batch["pixels"], batch["offsets"])
            val_loss = criterion(logits, batch["label"]).item()
        run.on_epoch_end(total, val_loss)
        accuracy = (logits.argmax(1) == batch["label"]).float().mean()
        print(f"epoch {epoch}: loss {total:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
