"""A module of Lightning that trains by FGSM, and a trainer of it."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from cotoolkit.monitor.config import MonitorConfig
from tests._helpers.networks import conv_net

OFTEN = MonitorConfig(interval=2, points=12, steps=2, trace_every=1)


def module_of(package=pl):
    """Its class, of either package of Lightning."""

    class Module(package.LightningModule):
        """FGSM; returns everything, or the loss alone."""

        def __init__(self, returned="everything"):
            super().__init__()
            self.net = conv_net()
            self.returned = returned

        def training_step(self, batch, index):
            images, labels = batch
            clean = images.clone().requires_grad_()
            start_losses = F.cross_entropy(self.net(clean), labels, reduction="none")
            (gradient,) = torch.autograd.grad(start_losses.mean(), clean)
            adversarial = (images + 0.1 * gradient.sign()).requires_grad_()
            logits = self.net(adversarial)
            losses = F.cross_entropy(logits, labels, reduction="none")
            if self.returned == "loss":
                return losses.mean() * 0 + 2
            by_products = {"start_losses": start_losses, "attack_gradient": gradient, "adversarial": adversarial}
            return {
                "loss": losses.mean(),
                "losses": losses,
                "logits": logits,
                "labels": labels,
                "more": 1,
                **by_products,
            }

        def validation_step(self, batch, index):
            self.log("accuracy", (self.net(batch[0]).argmax(1) == batch[1]).float().mean())

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1e-6)

    return Module


Module = module_of()


class Recorder:
    """A logger that keeps what it gets, by iteration."""

    def __init__(self):
        self.rows = {}

    def log_metrics(self, metrics, step=None):
        self.rows.setdefault(step, {}).update(metrics)


def data():
    """Images of one channel with labels of four classes."""
    draws = torch.Generator().manual_seed(0)
    return torch.rand(48, 1, 6, 6, generator=draws), torch.arange(48) % 4


def loader():
    """Six batches of them."""
    return DataLoader(TensorDataset(*data()), batch_size=8)


def trainer_of(callback, package=pl, **options):
    """A quiet one on the CPU."""
    quiet = {"logger": False, "enable_model_summary": False, "enable_progress_bar": False, "accelerator": "cpu"}
    return package.Trainer(callbacks=[callback], enable_checkpointing=False, **quiet, **options)
