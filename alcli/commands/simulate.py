"""`alcli simulate`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alcli import console
from alcli.commands import _output
from alcli.commands._call import Call, Device, DryRun, Seed, Workers
from alcli.errors import InputRejected, UsageError

if TYPE_CHECKING:
    from alcli.simulation import SimulationReport
    from alcli.verdict import Verdict

logger = logging.getLogger("alcli")


def simulate(
    call: Call,
    *,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", help="STRATEGY[:KEY=VALUE,…][+PART[:KEY=VALUE,…]]…; repeatable."),
    ] = None,
    initial: Annotated[int, typer.Option(metavar="N", help="First labels, drawn at random.")] = 100,
    initial_per_class: Annotated[
        int | None, typer.Option(metavar="N", help="So many first labels of each class instead.")
    ] = None,
    batch: Annotated[int, typer.Option(metavar="N", help="Images that each round adds.")] = 100,
    rounds: Annotated[int, typer.Option(metavar="R", help="Rounds after the first labels.")] = 10,
    seeds: Annotated[int, typer.Option(min=1, metavar="S", help="Repetitions, from --seed on.")] = 5,
    model: Annotated[str | None, typer.Option(help="As for train.")] = None,
    weights: Annotated[Path | None, typer.Option(metavar="FILE", help="As for train.")] = None,
    pretrained: Annotated[bool, typer.Option("--pretrained", help="As for train.")] = False,
    freeze_backbone: Annotated[bool, typer.Option("--freeze-backbone", help="As for train.")] = False,
    image_size: Annotated[int | None, typer.Option(min=1, help="As for train.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="As for train.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="As for train.")] = None,
    lr: Annotated[float, typer.Option(help="As for train.")] = 1e-3,
    dropout: Annotated[float | None, typer.Option(help="As for train.")] = None,
    augment: Annotated[str, typer.Option(help="As for train.")] = "none",
    warm_start: Annotated[
        bool, typer.Option("--warm-start", help="Begin each training with the weights of the round before.")
    ] = False,
    embedding: Annotated[
        str | None, typer.Option(help="joint: one network for all; a triplet one where needed otherwise.")
    ] = None,
    embedding_epochs: Annotated[int | None, typer.Option(min=1, help="As for train.")] = None,
    mc_samples: Annotated[int, typer.Option(metavar="M", help="Dropout passes, where needed.")] = 10,
    test_fraction: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Measure on it, where there is no test split.")
    ] = None,
    pool_size: Annotated[
        int | None, typer.Option(metavar="N", help="Draw a pool of so many images for each seed.")
    ] = None,
    label_noise: Annotated[
        str | None, typer.Option(metavar="P%", help="People are wrong this often; test labels stay right.")
    ] = None,
    noise_model: Annotated[
        str | None,
        typer.Option(
            metavar="uniform|rad|permutation|FILE", help="How they are wrong; FILE: a confusion matrix, CSV."
        ),
    ] = None,
    reference: Annotated[
        bool,
        typer.Option(
            "--reference",
            help="Train on all labels too: what could be reached.",
        ),
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Runs at once.")] = 1,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The table, Parquet.")
    ] = None,
    metric: Annotated[str, typer.Option(metavar="accuracy|macro-f1", help="What is compared.")] = "accuracy",
    plot: Annotated[
        list[str] | None,
        typer.Option(metavar="[KIND=]FILE", help="A picture: curves, precision or labels; repeatable."),
    ] = None,
    dry_run: DryRun = False,
    seed: Seed = 0,
    device: Device = "auto",
    workers: Workers = None,
) -> None:
    """Find out which strategy pays: spend the same budget on a labelled pool by each of them, and compare."""
    call.project.require_manifest()
    from alcli import simulation, training, verdict
    from alcli.simulation.drawing import Drawing
    from alcli.simulation.noise import Noise

    column = metric.replace("-", "_")
    if column not in verdict.METRICS:
        raise UsageError(f"--metric {metric}: there is no such metric", hint="--metric accuracy, or macro-f1")
    drawings = [Drawing.parse(text) for text in plot or []]
    _output.check(
        call,
        ("--output", output),
        *(("--plot", drawing.path) for drawing in drawings),
        inputs=[("--weights", weights), ("--noise-model", Path(noise_model) if noise_model else None)],
    )
    parsed = [simulation.Method.parse(text) for text in [verdict.BASELINE, *(method or [])]]
    methods = list({one.name: one for one in parsed}.values())
    options = training.Options(
        model=model,
        weights=weights,
        pretrained=pretrained,
        freeze_backbone=freeze_backbone,
        image_size=image_size,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        dropout=dropout,
        augment=augment,
        warm_start=warm_start,
        embedding_epochs=embedding_epochs,
    )
    experiment = simulation.Experiment(
        initial=initial,
        initial_per_class=initial_per_class,
        batch=batch,
        rounds=rounds,
        training=options,
        embedding=embedding,
        test_fraction=test_fraction,
        pool_size=pool_size,
        mc_samples=mc_samples,
        noise=Noise.parse(label_noise, noise_model),
    )
    report = simulation.simulate(
        call.project,
        experiment,
        methods,
        range(seed, seed + seeds),
        output=output,
        reference=reference,
        jobs=jobs,
        device=device,
        workers=workers,
        pictures=drawings,
        dry_run=dry_run,
        progress=call.progress,
    )
    if dry_run:
        call.say(
            f"would run {len(methods)} methods with {seeds} seeds, {rounds} rounds each: {report.output}"
        )
        return
    judged = verdict.judge(report.columns, metric=column)
    _speak(call, report, judged)
    undrawn: InputRejected | None = None
    for drawing in drawings:
        try:
            drawing.draw(report.columns, judged)
        except InputRejected as error:  # the others can be drawn all the same
            logger.warning("%s is not drawn: %s", drawing.path, error.message)
            undrawn = error
    if report.failed:
        raise typer.Exit(1)
    if undrawn:
        raise undrawn


def _speak(call: Call, report: SimulationReport, judged: Verdict) -> None:
    """Give the verdict, which is data, and say what failed."""
    from alcli import verdict

    for title, seed, why in report.failed:
        logger.warning("%s with seed %d failed: %s", title, seed, why)
    call.say(f"all figures: {report.output}")
    if call.json:
        failed = [{"method": title, "seed": seed, "error": why} for title, seed, why in report.failed]
        call.result(output=str(report.output), failed=failed, verdict=judged.to_dict())
        return
    console.table(*verdict.table(judged), data=True)
    typer.echo()
    for line in [*(method.words for method in judged.methods), judged.words, *judged.notes]:
        typer.echo(line)
