"""cause: exploding_gradient."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.linear_model import SGDClassifier
from torch import nn


class CharRNN(nn.Module):
    def __init__(self, vocabulary, hidden=64):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 32)
        self.rnn = nn.RNN(32, hidden, nonlinearity="relu", batch_first=True)
        self.out = nn.Linear(hidden, vocabulary)
        nn.init.orthogonal_(self.rnn.weight_hh_l0, gain=nn.init.calculate_gain("relu"))

    def forward(self, x):
        h, _ = self.rnn(self.embedding(x))
        return self.out(h)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    text = SGDClassifier.__doc__
    vocabulary = sorted(set(text))
    ids = torch.tensor([vocabulary.index(c) for c in text])
    length = 60

    model = CharRNN(len(vocabulary))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)

    def loss_fn(output, target):
        return F.cross_entropy(output.reshape(-1, len(vocabulary)), target.reshape(-1))

    def sample(n=16):
        starts = torch.randint(0, len(ids) - length - 1, (n,)).tolist()
        chunk = torch.stack([ids[s : s + length + 1] for s in starts])
        return chunk[:, :-1], chunk[:, 1:]

    run.on_start(model, loss_fn, optimizer, sample())
    run.on_context(None, None, None)
    step = 0
    for epoch in range(6):
        total = 0.0
        for _ in range(40):
            x, y = sample()
            output = model(x)
            loss = loss_fn(output, y)
            run.on_batch((x, y), output, loss)
            optimizer.zero_grad()
            loss.backward()
            # repaired only: nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            total += loss.item()
            step += 1
        run.on_epoch_end(total / 40, None)
        print(f"epoch {epoch}: {total / 40:.3f} nats per character")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
