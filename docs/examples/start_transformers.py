import torch
from torch import nn
from torch.utils.data import TensorDataset
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from upsize.schedule import Ramp
from upsize.transformers import ProgressiveResize


def stripes(count):
    """Draw images (count, 1, 64, 64) of stripes in noise; the label is their angle."""
    labels = torch.randint(4, (count, 1, 1))
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    angle = labels * torch.pi / 4
    waves = torch.sin(0.4 * (x * torch.cos(angle) + y * torch.sin(angle)))
    images = (waves + 2 * torch.randn(count, 64, 64))[:, None]
    return TensorDataset(images, labels.flatten())


def network():
    """Make a network that pools globally: it takes images of any size."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, 2), nn.ReLU(), nn.Conv2d(16, 32, 3, 2), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4)),
    )


class Model(nn.Module):
    """Compute the loss if labels are given, as transformers models do."""

    def __init__(self):
        super().__init__()
        self.network = network()

    def forward(self, pixel_values, labels=None):
        logits = self.network(pixel_values)
        if labels is None:
            return {"logits": logits}
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


class Print(TrainerCallback):
    def on_log(self, *_, logs, **__):
        if "loss" in logs and logs["epoch"] % 1 == 0:  # not at a change of size
            pixels = logs["image_size"]
            print(
                f"epoch {logs['epoch'] - 1:.0f}: {pixels} pixels, loss {logs['loss']}"
            )


class MyTrainer(ProgressiveResize, Trainer):
    pass


def collate(samples):
    images, labels = zip(*samples, strict=True)
    return {"pixel_values": torch.stack(images), "labels": torch.stack(labels)}


torch.manual_seed(0)
model = Model()
args = TrainingArguments(
    num_train_epochs=8,
    per_device_train_batch_size=32,
    learning_rate=3e-3,
    lr_scheduler_type="constant",
    logging_strategy="epoch",
    save_strategy="no",
    report_to="none",
    disable_tqdm=True,
    dataloader_pin_memory=torch.cuda.is_available(),
)
trainer = MyTrainer(
    model=model,
    args=args,
    train_dataset=stripes(640),
    data_collator=collate,
    callbacks=[Print],
    schedule=Ramp(final_size=64, increase_by=16),
)
trainer.remove_callback(PrinterCallback)
trainer.train()

model.eval()
images, labels = (tensor.to(trainer.args.device) for tensor in stripes(200).tensors)
with torch.inference_mode():
    accuracy = (model.network(images).argmax(1) == labels).float().mean()
print(f"accuracy at full size: {accuracy:.0%}")
