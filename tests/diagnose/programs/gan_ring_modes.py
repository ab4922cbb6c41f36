"""cause: mode_collapse."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from torch import nn

torch.set_num_threads(1)
MODES = 6
ANGLES = torch.arange(MODES) * (2 * torch.pi / MODES)
CENTRES = 2 * torch.stack([ANGLES.cos(), ANGLES.sin()], 1)


def mlp(inputs, outputs, activation, width=48):
    layers = [nn.Linear(inputs, width), activation, nn.Linear(width, width), activation, nn.Linear(width, outputs)]
    return nn.Sequential(*layers)


def covered(samples):
    """How many modes get samples, and what share of the samples lies near one."""
    distance, nearest = torch.cdist(samples, CENTRES).min(1)
    return len(nearest[distance < 0.4].unique()), (distance < 0.4).float().mean().item()


def train(run):
    torch.manual_seed(0)
    generator = mlp(4, 2, nn.ReLU())
    discriminator = mlp(2, 1, nn.LeakyReLU(0.2))
    model = nn.ModuleDict({"generator": generator, "discriminator": discriminator})
    lr_g, lr_d = 2e-2, 3e-3  # repaired: lr_g, lr_d = 2e-3, 3e-3
    opt_g = torch.optim.Adam(generator.parameters(), lr=lr_g, betas=(0.5, 0.9))
    opt_d = torch.optim.Adam(discriminator.parameters(), lr=lr_d, betas=(0.5, 0.9))

    def real_batch(n=96):
        return CENTRES[torch.randint(MODES, (n,))] + 0.1 * torch.randn(n, 2)

    run.on_start(model, None, [opt_g, opt_d], (real_batch(), torch.randn(96, 4)))
    run.on_context(None, None, None)
    sum_d = sum_g = 0.0
    for step in range(600):
        real, z = real_batch(), torch.randn(96, 4)
        on_real, on_fake = discriminator(real), discriminator(generator(z).detach())
        loss_d = F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
        run.on_batch(real, (on_real, on_fake), loss_d)
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()

        on_fake = discriminator(generator(torch.randn(96, 4)))
        loss_g = F.softplus(-on_fake).mean()
        run.on_batch(real, (on_real.detach(), on_fake), loss_g)
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
        run.on_step_end(step, step // 100, model, [opt_g, opt_d])
        sum_d, sum_g = sum_d + loss_d.item() / 100, sum_g + loss_g.item() / 100
        if step % 100 == 99:
            with torch.no_grad():
                fake = generator(torch.randn(500, 4))
            run.on_epoch_end(sum_d + sum_g, None)
            modes, near = covered(fake)
            quality = f"modes {modes}/{MODES} near {near:.2f} spread {fake.std(0).mean():.2f}"
            print(f"step {step + 1}: D {sum_d:.3f} G {sum_g:.3f} {quality}")
            sum_d = sum_g = 0.0
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
