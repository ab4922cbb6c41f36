"""Four small batches that give exactly the gradient of one large batch, although samples weigh differently.

Averaging the means of the parts does not: a part with little weight would count as much as one with much.
"""

import torch

import lossary

generator = torch.Generator().manual_seed(0)
x = torch.randn(64, 5, generator=generator, dtype=torch.float64)
y = torch.randint(3, (64,), generator=generator)
weight = torch.rand(64, generator=generator, dtype=torch.float64)
model = torch.nn.Linear(5, 3, dtype=torch.float64)
loss_fn = lossary.CrossEntropyLoss()

loss_fn(model(x), y, sample_weight=weight).backward()
whole = model.weight.grad.clone()

model.zero_grad()
for rows in torch.arange(64).split(16):
    loss_fn(model(x[rows]), y[rows], sample_weight=weight[rows], denominator=weight.sum()).backward()
exact = (model.weight.grad - whole).abs().max()

model.zero_grad()
for rows in torch.arange(64).split(16):
    (loss_fn(model(x[rows]), y[rows], sample_weight=weight[rows]) / 4).backward()
usual = (model.weight.grad - whole).abs().max()

print(f"with the common denominator off by {exact:.1e}, with the mean of means off by {usual:.1e}")
assert exact < 1e-12 < usual
