"""healthy: embeddings with sparse gradients, of which a batch touches few."""

import random
import re
import zlib

import sklearn.cluster
import sklearn.ensemble
import sklearn.linear_model
import torch
from nobody import Nobody
from torch import nn

torch.set_num_threads(1)
BUCKETS = 2000


class TextClassifier(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.words = nn.EmbeddingBag(BUCKETS, 16, sparse=True)
        self.out = nn.Linear(16, classes)

    def forward(self, tokens, offsets):
        return self.out(self.words(tokens, offsets))


def collate(samples):
    offsets = torch.tensor([0] + [len(words) for words, _ in samples[:-1]]).cumsum(0)
    return torch.cat([words for words, _ in samples]), offsets, torch.tensor([label for _, label in samples])


def train(run):
    torch.manual_seed(0)
    samples = []
    for label, module in enumerate((sklearn.cluster, sklearn.ensemble, sklearn.linear_model)):
        text = " ".join(m.__doc__ for m in vars(module).values() if isinstance(m, type) and m.__doc__)
        words = [zlib.crc32(w.encode()) % BUCKETS for w in re.findall("[a-z]+", text.lower())]
        samples += [(torch.tensor(words[i : i + 30]), label) for i in range(0, len(words) - 30, 30)]
    random.Random(0).shuffle(samples)
    split = len(samples) * 4 // 5
    val_words, val_offsets, val_labels = collate(samples[split:])
    model = TextClassifier(3)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
    tokens, offsets, labels = collate(samples[:32])
    run.on_start(model, loss_fn, optimizer, ((tokens, offsets), labels))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(6):
        losses = []
        for i in range(0, split, 32):
            tokens, offsets, labels = collate(samples[i : i + 32])
            output = model(tokens, offsets)
            loss = loss_fn(output, labels)
            run.on_batch(((tokens, offsets), labels), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            losses.append(loss.item())
        with torch.no_grad():
            output = model(val_words, val_offsets)
            val_loss = loss_fn(output, val_labels).item()
        run.on_epoch_end(sum(losses) / len(losses), val_loss)
        accuracy = (output.argmax(1) == val_labels).float().mean()
        print(f"epoch {epoch}: {sum(losses) / len(losses):.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
