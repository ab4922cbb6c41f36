"""Watching under Lightning and the Hugging Face Trainer, and what is said where these are not installed."""

import importlib.util
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from lossary.diagnosis import callbacks

torch.manual_seed(0)
CENTRES = 3 * torch.randn(4, 8)
Y = torch.randint(4, (640,))
X = CENTRES[Y] + torch.randn(640, 8)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def network(*end):
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4), *end)


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def functions():
    return F.cross_entropy, torch.optim.Optimizer.zero_grad, nn.Module.zero_grad, torch.Tensor.backward


# ---- neither is needed


def test_importing_needs_neither_package():
    code = (
        "import sys; sys.modules |= dict.fromkeys(['lightning', 'pytorch_lightning', 'transformers']);"
        "import lossary.diagnosis.callbacks"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize(
    ("name", "hidden", "extra"),
    [
        ("LightningDiagnosis", ("lightning.pytorch", "pytorch_lightning"), "lightning"),
        ("TrainerDiagnosis", ("transformers",), "hf"),
    ],
)
def test_a_missing_package_is_named_with_the_command(name, hidden, extra, monkeypatch):
    for made in (callbacks._lightning, callbacks._hugging_face):
        made.cache_clear()
    for package in hidden:
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        ImportError, match=rf"^{name}: needs \w+, which is not installed: pip install 'lossary\[{extra}\]'"
    ):
        getattr(callbacks, name)


def test_there_is_nothing_else():
    with pytest.raises(AttributeError, match="has no attribute 'KerasDiagnosis'"):
        _ = callbacks.KerasDiagnosis


# ---- Lightning

needs_lightning = pytest.mark.skipif(importlib.util.find_spec("lightning") is None, reason="Lightning is not installed")
quiet = pytest.mark.filterwarnings("ignore")  # a trainer warns of many things that are not ours


def lightning_module(kind="plain", **options):
    import lightning.pytorch

    class Plain(lightning.pytorch.LightningModule):
        def __init__(self, lr=0.1, end=(), whole=True, logs=True, fails=False):
            super().__init__()
            self.lr, self.whole, self.logs, self.fails = lr, whole, logs, fails
            self.network = network(*end)
            self.criterion = nn.CrossEntropyLoss()

        def forward(self, x):
            return self.network(x)

        def training_step(self, batch, index):
            if self.fails and index == 5:
                raise ZeroDivisionError
            x, y = batch
            return self.criterion(self(x) if self.whole else self.network(x), y)

        def validation_step(self, batch, index):
            loss = self.criterion(self.network(batch[0]), batch[1])
            if self.logs:
                self.log("val_loss", loss)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=self.lr)

    class Forgetful(Plain):
        def __init__(self):
            super().__init__()
            self.automatic_optimization = False

        def training_step(self, batch, index):
            self.optimizers().zero_grad()
            super().training_step(batch, index)
            self.optimizers().step()

    class Game(lightning.pytorch.LightningModule):
        def __init__(self):
            super().__init__()
            self.automatic_optimization = False
            self.generator, self.discriminator = nn.Linear(2, 8), nn.Linear(8, 1)

        def training_step(self, batch, index):
            first, second = self.optimizers()
            x, ones = batch[0], torch.ones(len(batch[0]), 1)
            made = self.generator(torch.randn(len(x), 2))
            for optimizer, judged, truth in ((second, made.detach(), 0 * ones), (first, made, ones)):
                optimizer.zero_grad()
                self.manual_backward(F.binary_cross_entropy_with_logits(self.discriminator(judged), truth))
                optimizer.step()

        def configure_optimizers(self):
            return [torch.optim.Adam(part.parameters(), 1e-3) for part in (self.generator, self.discriminator)]

    torch.manual_seed(0)
    return {"plain": Plain, "forgetful": Forgetful, "game": Game}[kind](**options)


def fit(module, callback=None, epochs=4, **options):
    import lightning.pytorch

    trainer = lightning.pytorch.Trainer(
        max_epochs=epochs, callbacks=[callback] if callback is not None else [], logger=False, accelerator="cpu",
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, **options,
    )  # fmt: skip
    train = DataLoader(TensorDataset(X[:512], Y[:512]), 32, shuffle=True)
    torch.manual_seed(1)
    trainer.fit(module, train, DataLoader(TensorDataset(X[512:], Y[512:]), 64))
    return callback


@needs_lightning
@quiet
class TestLightning:
    def test_a_healthy_run(self):
        watching = fit(lightning_module(), callbacks.LightningDiagnosis())
        found = watching.diagnosis
        assert found.healthy, found.summary
        assert (found.looked_at["batches"], found.looked_at["epochs"]) == (4 * 16, 4)
        assert (found.looked_at["loss"], found.looked_at["optimizer"]) == ("cross_entropy", "SGD")
        assert [at for at, _ in found.series.val_losses] == [16, 32, 48, 64]
        assert watching.run.record.train_loader is not None
        assert watching.diagnosis is found

    @pytest.mark.parametrize("whole", [True, False])
    @pytest.mark.parametrize(
        ("options", "cause"),
        [({"lr": 100.0}, "lr_too_high"), ({"end": (nn.Softmax(1),), "lr": 0.01}, "softmax_before_cross_entropy")],
    )
    def test_a_fault_is_named(self, options, cause, whole):
        watching = fit(lightning_module(whole=whole, **options), callbacks.LightningDiagnosis())
        assert watching.diagnosis.best.cause == cause
        assert cause != "lr_too_high" or "as it was" in watching.diagnosis.looked_at["trials"]

    def test_a_backward_that_is_forgotten(self):
        watching = fit(lightning_module("forgetful"), callbacks.LightningDiagnosis())
        assert watching.diagnosis.best.cause == "missing_backward"

    def test_a_game_has_its_parts(self):
        watching = fit(lightning_module("game"), callbacks.LightningDiagnosis(probes=False))
        record = watching.run.record
        assert set(record.model) == {"generator", "discriminator"}
        assert {call.name for call in record.calls} == {"generator", "discriminator"}
        assert {moment.optimizer for moment in record.moments} == {0, 1}

    def test_a_validation_loss_that_is_not_logged_is_computed(self):
        logged, computed = (
            fit(lightning_module(logs=logs), callbacks.LightningDiagnosis(probes=False)).diagnosis.series.val_losses
            for logs in (True, False)
        )
        assert [value for _, value in logged] == pytest.approx([value for _, value in computed])

    @pytest.mark.parametrize("logs", [True, False])
    def test_an_epoch_without_validation_has_no_validation_loss(self, logs):
        watching = callbacks.LightningDiagnosis(probes=False)
        found = fit(lightning_module(logs=logs), watching, check_val_every_n_epoch=2).diagnosis
        assert [at for at, _ in found.series.val_losses] == [32, 64]

    def test_weights_are_the_same_bits(self):
        alone, watched = lightning_module(), lightning_module()
        fit(alone)
        fit(watched, callbacks.LightningDiagnosis())
        assert torch.equal(weights(alone), weights(watched))

    def test_nothing_is_left_after_a_run_or_an_exception(self):
        before = functions()
        fit(lightning_module(), callbacks.LightningDiagnosis(), epochs=1)
        assert functions() == before
        watching = callbacks.LightningDiagnosis(probes=False)
        with pytest.raises(ZeroDivisionError):
            fit(lightning_module(fails=True), watching)
        assert functions() == before
        assert isinstance(watching.run.record.error, ZeroDivisionError)
        assert watching.diagnosis.looked_at["batches"] == 5

    def test_a_second_fit_is_a_new_run(self):
        watching = callbacks.LightningDiagnosis(probes=False)
        first = fit(lightning_module(), watching, epochs=1).diagnosis
        assert fit(lightning_module(), watching, epochs=2).diagnosis.looked_at["batches"] == 32
        assert first.looked_at["batches"] == 16


# ---- Hugging Face

needs_trainer = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None or importlib.util.find_spec("accelerate") is None,
    reason="transformers and accelerate are not installed",
)


class Answering(nn.Module):
    """A model as transformers has them: keywords in, loss and logits out."""

    def __init__(self, *end, form=dict):
        super().__init__()
        torch.manual_seed(0)
        self.network, self.form = network(*end), form

    def forward(self, x, labels=None):
        logits = self.network(x)
        if labels is None:
            return {"logits": logits} if self.form is dict else (logits,)
        loss = F.cross_entropy(logits, labels)
        return {"loss": loss, "logits": logits} if self.form is dict else (loss, logits)


def train(model, folder, callback=None, *, lr=1e-2, steps=60, **options):
    from transformers import Trainer, TrainingArguments

    rows = [{"x": x, "labels": int(y)} for x, y in zip(X, Y, strict=True)]
    arguments = TrainingArguments(
        str(folder), max_steps=steps, per_device_train_batch_size=32, learning_rate=lr, report_to=[], disable_tqdm=True,
        save_strategy="no", logging_strategy="no", use_cpu=True, seed=0, **options,
    )  # fmt: skip
    chosen = [callback] if callback is not None else []
    Trainer(model, arguments, train_dataset=rows[:512], eval_dataset=rows[512:], callbacks=chosen).train()
    return callback


@needs_trainer
@quiet
class TestTrainer:
    @pytest.mark.parametrize("form", [dict, tuple])
    def test_a_healthy_run(self, form, tmp_path):
        watching = train(Answering(form=form), tmp_path, callbacks.TrainerDiagnosis(), eval_strategy="epoch")
        found = watching.diagnosis
        assert found.healthy, found.summary
        assert (found.looked_at["batches"], found.looked_at["steps"]) == (60, 60)
        assert (found.looked_at["loss"], found.looked_at["optimizer"]) == ("cross_entropy", "AdamW")
        assert [at for at, _ in found.series.val_losses][:3] == [16, 32, 48]

    @pytest.mark.parametrize(
        ("end", "lr", "cause"),
        [((), 100.0, "lr_too_high"), ((nn.Softmax(1),), 1e-3, "softmax_before_cross_entropy")],
    )
    def test_a_fault_is_named(self, end, lr, cause, tmp_path):
        watching = train(Answering(*end), tmp_path, callbacks.TrainerDiagnosis(), lr=lr, max_grad_norm=0.0)
        assert watching.diagnosis.best.cause == cause
        assert cause != "lr_too_high" or "as it was" in watching.diagnosis.looked_at["trials"]

    def test_accumulated_gradients_are_no_fault(self, tmp_path):
        watching = train(Answering(), tmp_path, callbacks.TrainerDiagnosis(), gradient_accumulation_steps=2)
        assert watching.diagnosis.healthy, watching.diagnosis.summary
        assert watching.diagnosis.looked_at["batches"] == 2 * 60

    def test_weights_are_the_same_bits(self, tmp_path):
        alone, watched = Answering(), Answering()
        train(alone, tmp_path, steps=20)
        train(watched, tmp_path, callbacks.TrainerDiagnosis(), steps=20)
        assert torch.equal(weights(alone), weights(watched))

    def test_nothing_is_left(self, tmp_path):
        before = functions()
        train(Answering(), tmp_path, callbacks.TrainerDiagnosis(probes=False), steps=5)
        assert functions() == before

    def test_asking_ends_a_watch_that_an_exception_cut_short(self, tmp_path):
        class Failing(Answering):
            calls = 0

            def forward(self, x, labels=None):
                self.calls += 1
                if self.calls > 5:
                    raise ZeroDivisionError
                return super().forward(x, labels)

        before, watching = functions(), callbacks.TrainerDiagnosis(probes=False)
        with pytest.raises(ZeroDivisionError):
            train(Failing(), tmp_path, watching)
        assert watching.diagnosis.looked_at["batches"] == 5
        assert functions() == before
