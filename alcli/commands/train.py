"""`alcli train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from alcli.commands._call import Call, Device, DryRun, MaxBad, Seed, Workers

if TYPE_CHECKING:
    from alcli.training import TrainReport


def train(
    call: Call,
    *,
    model: Annotated[
        str | None,
        typer.Option(help="lenet, lenet5, mlp or any model of timm; lenet up to 64 px, else resnet18."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights to start from, .safetensors or .pth.")
    ] = None,
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="Fetch timm's weights to start from.")
    ] = False,
    image_size: Annotated[
        int | None, typer.Option(min=1, help="px; as the model or the images suggest.")
    ] = None,
    channels: Annotated[int | None, typer.Option(help="1 (grey) or 3 (colour); as the images are.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="At most; more for few images.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images per step of the classifier.")] = None,
    lr: Annotated[float, typer.Option(help="Adam's first step size.")] = 1e-3,
    patience: Annotated[
        int, typer.Option(min=0, help="Stop after so many epochs without a better one; 0: never.")
    ] = 0,
    freeze_backbone: Annotated[
        bool,
        typer.Option("--freeze-backbone", help="Train heads on features that are computed once per image."),
    ] = False,
    warm_start: Annotated[
        bool, typer.Option("--warm-start", help="Begin with the newest model's weights, not anew.")
    ] = False,
    embedding: Annotated[str, typer.Option(help="triplet, none or joint.")] = "triplet",
    embedding_dim: Annotated[int, typer.Option(min=1, help="Size of triplet embeddings.")] = 128,
    embedding_epochs: Annotated[
        int | None, typer.Option(min=1, help="Of the triplet network, if not --epochs.")
    ] = None,
    dropout: Annotated[
        float | None, typer.Option(help="Before the classifier; 0.5 for lenet, else 0.")
    ] = None,
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    class_weights: Annotated[str, typer.Option(help="none or balanced.")] = "none",
    augment: Annotated[
        str, typer.Option(help="none, standard or a policy of timm: rand-m9-mstd0.5.")
    ] = "none",
    use_pseudo_labels: Annotated[
        bool, typer.Option("--use-pseudo-labels", help="Learn from those too.")
    ] = False,
    refine_pseudo: Annotated[
        Literal["mean", "vote", "last"] | None,
        typer.Option(help="Replace pseudo-labels by what the network predicted in the last epochs."),
    ] = None,
    objective: Annotated[str, typer.Option(help="classifier, ccl or vaal.")] = "classifier",
    loss: Annotated[
        str,
        typer.Option(
            help="cross-entropy, bootstrap-soft, bootstrap-hard or bootstrap-reconstruction; "
            "the latter three for noisy labels."
        ),
    ] = "cross-entropy",
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", "-O", metavar="KEY=VALUE", help="Of the loss, the objective, …; repeatable."
        ),
    ] = None,
    label_smoothing: Annotated[
        float, typer.Option(metavar="SHARE", help="Of each label, spread over all classes.")
    ] = 0.0,
    warm_up_epochs: Annotated[
        int | None,
        typer.Option(min=0, help="Of plain cross-entropy first; 2 for bootstrapping, 5 for --refine-pseudo."),
    ] = None,
    co_teaching: Annotated[
        bool,
        typer.Option("--co-teaching", help="Two networks, each picks what the other learns from."),
    ] = False,
    noise_rate: Annotated[
        str | None,
        typer.Option(metavar="SHARE|auto", help="--co-teaching: share of wrong labels; auto estimates it."),
    ] = None,
    mixup: Annotated[
        float, typer.Option(metavar="ALPHA", help="Learn from mixtures of two images each; 0: off.")
    ] = 0.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a killed run stopped.")] = False,
    seed: Seed = 0,
    device: Device = "auto",
    workers: Workers = None,
    max_bad: MaxBad = None,
    dry_run: DryRun = False,
) -> None:
    """Fit a classifier and a triplet embedding to the labelled images."""
    call.project.require_manifest()
    from alcli import parameters, training

    options = training.Options(
        model=model,
        weights=weights,
        pretrained=pretrained,
        image_size=image_size,
        channels=channels,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        patience=patience,
        freeze_backbone=freeze_backbone,
        warm_start=warm_start,
        embedding=embedding,
        embedding_dim=embedding_dim,
        embedding_epochs=embedding_epochs,
        dropout=dropout,
        precision=precision,
        use_pseudo_labels=use_pseudo_labels,
        class_weights=class_weights,
        augment=augment,
        refine_pseudo=refine_pseudo,
        objective=objective,
        loss=loss,
        parameters=parameters.pairs(option or []),
        label_smoothing=label_smoothing,
        warm_up_epochs=warm_up_epochs,
        co_teaching=co_teaching,
        noise_rate=noise_rate,
        mixup=mixup,
        seed=seed,
    )
    report = training.train(
        call.project,
        options,
        device=device,
        workers=workers,
        resume=resume,
        max_bad=max_bad,
        dry_run=dry_run,
        progress=call.progress,
    )
    if dry_run:
        call.say(f"would train {report.architecture} on {report.labelled} labelled images")
    elif report.trained:
        call.say(f"model {report.model}: {report.architecture}, {_told(report)} ({report.seconds:.1f} s)")
    call.result(**vars(report))


def _told(report: TrainReport) -> str:
    """Say how good the model is, as far as that was measured."""
    metrics = report.metrics
    shown = {
        "val_accuracy": "validation accuracy",
        "nearest_centre_val_accuracy": "by nearest centre",
        "test_accuracy": "test accuracy",
        "nearest_centre_test_accuracy": "by nearest centre",
    }
    said = [f"{word} {metrics[name]:.1%}" for name, word in shown.items() if name in metrics]
    return ", ".join([f"{report.labelled} labelled images", *said])
