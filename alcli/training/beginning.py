"""How networks are before they learn: drawn weights, weights from a file, the weights of an earlier model."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from alcli import networks
from alcli.errors import InputRejected
from alcli.models import ModelRecord
from alcli.networks import Classifier, Model
from alcli.randomness import derive_seed
from alcli.training.inputs import Examples
from alcli.training.recipe import Recipe


def first_weights(recipe: Recipe) -> Model:
    """Build the model with the weights it starts from: drawn, read from a file, or fetched.

    Raises:
        InputRejected: Weights do not fit.
    """
    options, plan = recipe.options, recipe.blueprint
    model = networks.build(plan, seed=options.seed, pretrained=options.pretrained)
    if options.weights is not None:
        weights = networks.read_weights(options.weights)
        for network in (model.classifier, model.embedder):
            if network is not None and network.backbone is not None:
                networks.fit_backbone(network.backbone, weights, plan.architecture, options.weights)
    if recipe.start is not None:
        _go_on(model, recipe.start)
    if plan.frozen:
        model.classifier.backbone.requires_grad_(requires_grad=False)
    return model


def _go_on(model: Model, start: ModelRecord) -> None:
    """Give a model the weights of an earlier one.

    Raises:
        InputRejected: That one is another network, or knows other classes.
    """
    before = networks.load(start, torch.device("cpu"))
    try:
        for name, network in model.parts.items():
            if name in before.parts:
                network.load_state_dict(before.parts[name].state_dict())
    except RuntimeError as error:
        raise InputRejected(
            f"--warm-start: model {start.id} is another network, or knows other classes",
            hint="train once without --warm-start",
        ) from error


def standardise(model: Model, learned: Examples) -> None:
    """Let both heads of a frozen backbone see features of mean 0 and deviation 1."""
    values = next(iter(learned.inputs.batches([np.arange(len(learned))])))  # (n, d)
    for head in (model.classifier, model.embedder):
        if head is not None and isinstance(head.scale, networks.Standardise):
            head.scale.fit(values)


def peer(recipe: Recipe, model: Model) -> Classifier:
    """Build a second classifier with first weights of its own, for co-teaching.

    It has the weights of the same file, if there is one, and features standardised like the model's; it never
    goes on from an earlier model, which would make it the same network again.
    """
    options = dataclasses.replace(recipe.options, seed=derive_seed(recipe.options.seed, "peer"))
    plan = dataclasses.replace(recipe.blueprint, embedding="none")
    other = first_weights(dataclasses.replace(recipe, options=options, blueprint=plan, start=None)).classifier
    if model.frozen:
        other.scale.load_state_dict(model.classifier.scale.state_dict())
    return other
