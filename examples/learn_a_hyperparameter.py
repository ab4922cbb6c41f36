"""Hyperparameters that learn: the shape of the errors by its likelihood, others from clean held-out data.

Real data twice: the progression of diabetes, where a fifth of the training targets are spoilt, and images of digits,
where half of the training labels are random. What is learned is held against a grid search on the same held-out data.
"""

import torch
from sklearn.datasets import load_diabetes, load_digits

import lossary
from lossary.adapt import Learnable, MetaGradient

torch.set_num_threads(1)
generator = torch.Generator().manual_seed(0)


def network(inputs, outputs):
    torch.manual_seed(0)
    return torch.nn.Linear(inputs, outputs, dtype=torch.float64)


def settle(model, loss, x, y):
    """Train to the optimum."""
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=50, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        return value

    optimizer.step(closure)


def take_steps(model, loss, optimizer, data, steps, *, meta=None, held_out=None):
    """Train; with ``meta``, the hyperparameter moves before each step. What it was before each step is returned."""
    curve = []
    for _ in range(steps):
        if meta is not None:
            curve += meta.step(data, held_out).values.values()
        optimizer.zero_grad()
        loss(model(data[0]), data[1]).backward()
        optimizer.step()
    return curve


def written(numbers):
    return " ".join(f"{number:.2f}" for number in numbers)


print("Diabetes, a line; a fifth of the 200 training targets are too high, the held-out ones are clean")
raw = load_diabetes()
order = torch.randperm(len(raw.target), generator=generator)
x, y = torch.tensor(raw.data)[order], torch.tensor(raw.target)[order].unsqueeze(1)
x, y = x / x.std(0), (y - y.mean()) / y.std()
hit = torch.rand(y.shape, generator=generator) < 0.2
spoilt = y + hit * 8.0 * torch.rand(y.shape, generator=generator, dtype=y.dtype)
train, held_out, test = (x[:200], spoilt[:200]), (x[200:320], y[200:320]), (x[320:], y[320:])
judge = lossary.MSELoss()


def error(model, data):
    with torch.no_grad():
        return judge(model(data[0]), data[1]).item()


model = network(10, 1)
settle(model, lossary.MSELoss(), *train)
print(f"  least squares: held-out MSE {error(model, held_out):.3f}, test MSE {error(model, test):.3f}")

for name, targets in (("clean", y[:200]), ("spoilt", spoilt[:200])):
    model, loss = network(10, 1), Learnable(lossary.GeneralRobustNLLLoss(), "alpha", "scale").double()
    take_steps(model, loss, torch.optim.Adam([*model.parameters(), *loss.parameters()], 0.05), (x[:200], targets), 400)
    found = ", ".join(f"{key} {value:.2f}" for key, value in loss.values.items())
    print(f"  likelihood, {name} targets: {found}; test MSE {error(model, test):.3f}")

scores = {}
for delta in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 4.0):
    model = network(10, 1)
    settle(model, lossary.PseudoHuberLoss(delta=delta), *train)
    scores[delta] = error(model, held_out)
best = min(scores, key=scores.get)
print(f"  grid search of 7 deltas: best {best}, held-out MSE {scores[best]:.3f}")

for method, start in (("implicit", 4.0), ("implicit", 0.05), ("unrolled", 4.0), ("unrolled", 0.05)):
    model, loss = network(10, 1), Learnable(lossary.PseudoHuberLoss(delta=start), "delta", by="held_out").double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    meta = MetaGradient(loss, model, judge, optimizer, method=method, lr=0.15)
    if method == "implicit":
        curve = []
        for _ in range(32):
            settle(model, loss, *train)
            curve += meta.step(train, held_out).values.values()
        settle(model, loss, *train)
    else:
        curve = take_steps(model, loss, optimizer, train, 400, meta=meta, held_out=held_out)
    shown = written([start, *curve[len(curve) // 8 - 1 :: len(curve) // 8]])
    print(f"  {method}: delta {shown}; held-out MSE {error(model, held_out):.3f}, test MSE {error(model, test):.3f}")

print("Digits, softmax regression; half of the 1000 training labels are random, 200 held-out ones are clean")
raw = load_digits()
order = torch.randperm(len(raw.target), generator=generator)
x, y = torch.tensor(raw.data)[order] / 16.0, torch.tensor(raw.target)[order]
noise = torch.rand(y.shape, generator=generator) < 0.5
noisy = torch.where(noise, torch.randint(10, y.shape, generator=generator), y)
train, held_out, test = (x[:1000], noisy[:1000]), (x[1000:1200], y[1000:1200]), (x[1200:], y[1200:])
judge = lossary.CrossEntropyLoss()


def learn(q, *, meta_learned):
    model, loss = network(64, 10), lossary.GeneralizedCrossEntropyLoss(q=q)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    meta = None
    if meta_learned:
        loss = Learnable(loss, "q", by="held_out")
        meta = MetaGradient(loss, model, judge, optimizer, lr=0.05)
    curve = take_steps(model, loss, optimizer, train, 300, meta=meta, held_out=held_out)
    with torch.no_grad():
        accuracy = (model(test[0]).argmax(1) == test[1]).double().mean().item()
    return f"held-out cross-entropy {error(model, held_out):.3f}, test accuracy {accuracy:.3f}", curve


for q in (0.1, 0.5, 0.7, 0.9):
    print(f"  q {q}: {learn(q, meta_learned=False)[0]}")
for start in (0.1, 0.7):
    scores, curve = learn(start, meta_learned=True)
    print(f"  unrolled: q {written([start, *curve[49::50]])}; {scores}")
