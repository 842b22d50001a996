"""Lightning and the transformers Trainer in workers of Ray Train, and Ray Data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ray.train
from tests.adapters.ray.training import (
    COUNT,
    EPOCHS,
    GLOBAL_BATCH,
    STEPS,
    Recorded,
    go_wrong,
    net,
    write,
)
from tests.core.loading.images import RAMP, Images
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader


def with_lightning(config: dict[str, Any]) -> None:
    import lightning.pytorch as pl
    from ray.train.lightning import (
        RayDDPStrategy,
        RayLightningEnvironment,
        RayTrainReportCallback,
        prepare_trainer,
    )

    from upsize.lightning import ProgressiveResize, sized

    folder = Path(config["folder"])

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = net()

        def on_train_epoch_start(self) -> None:
            self.seen: list[int] = []
            self.came: list[int] = []

        def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            self.came.append(batch[0].shape[-1])
            return batch

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            images, indices = batch
            self.seen.append(images.shape[-1])
            if self.current_epoch == 3 and len(self.seen) == 2:
                go_wrong(config, folder)
            return nn.functional.cross_entropy(self.net(images.float()), indices)

        def on_train_epoch_end(self) -> None:
            write(
                folder,
                epoch=self.current_epoch,
                seen=self.seen,
                came=self.came,
                mismatched=resize.mismatched,
            )

        def configure_optimizers(self) -> Any:
            return optim.SGD(self.parameters(), 0.01)

    resize = ProgressiveResize(RAMP, verbose=False)
    size = GLOBAL_BATCH // ray.train.get_context().get_world_size()
    loader = sized(DataLoader(Images(count=COUNT), size, shuffle=True), resize)
    trainer = prepare_trainer(
        pl.Trainer(
            max_epochs=EPOCHS,
            accelerator="cpu",
            devices="auto",
            strategy=RayDDPStrategy(),
            plugins=[RayLightningEnvironment()],
            callbacks=[resize, RayTrainReportCallback()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
        )
    )
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        trainer.fit(Module(), loader)
        return
    with checkpoint.as_directory() as saved:
        path = str(Path(saved, RayTrainReportCallback.CHECKPOINT_NAME))
        trainer.fit(Module(), loader, ckpt_path=path, weights_only=False)


def with_transformers(config: dict[str, Any]) -> None:
    from ray.train.huggingface.transformers import (
        RayTrainReportCallback,
        prepare_trainer,
    )
    from tests.adapters.transformers.test_sized import Crops
    from tests.adapters.transformers.tools import planned, trainer
    from transformers import default_data_collator

    from upsize.schedule import Ramp

    folder = Path(config["folder"])
    came: list[int] = []

    def collate(samples: Any) -> Any:
        batch = default_data_collator(samples)
        came.append(batch["pixel_values"].shape[-1])
        return batch

    made = trainer(
        folder / "out",
        data_collator=collate,
        train_dataset=Crops(),
        sized=True,
        schedule=Ramp(final_size=32, increase_by=4),
        num_train_epochs=3,
        save_strategy="epoch",
        callbacks=[RayTrainReportCallback()],
    )
    made = prepare_trainer(made)
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        made.train()
    else:
        with checkpoint.as_directory() as saved:
            made.train(resume_from_checkpoint=str(Path(saved, "checkpoint")))
    write(
        folder,
        seen=[width for *_, width in made.seen],
        came=came,
        planned=[width for *_, width in planned(made)],
        mismatched=made.mismatched,
    )


def from_ray_data(config: dict[str, Any]) -> None:
    from upsize.loop import ProgressiveResize

    resize = ProgressiveResize(RAMP, epochs=EPOCHS, steps_per_epoch=STEPS)
    shard = ray.train.get_dataset_shard("train")
    size = GLOBAL_BATCH // ray.train.get_context().get_world_size()
    for epoch in range(EPOCHS):
        batches = Recorded(_pairs(shard.iter_torch_batches(batch_size=size)))
        seen = [images.shape[-1] for images, _ in resize.batches(iter(batches))]
        write(
            Path(config["folder"]),
            epoch=epoch,
            seen=seen,
            came=batches.came,
            mismatched=resize.mismatched,
        )


def _pairs(batches: Any) -> Any:
    return ((batch["image"], batch["index"]) for batch in batches)
