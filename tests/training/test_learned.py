"""A model says which images it learned the labels of."""

from __future__ import annotations

import dataclasses

import numpy as np
from alcli import ledger, models, training
from alcli import manifest as manifests
from alcli.training import Options

from tests.training.conftest import MakePool

QUICK = Options(epochs=1, batch_size=8, embedding="none")


def known(record: models.ModelRecord) -> np.ndarray:
    found = models.learned(record)
    assert found is not None
    return found


def test_what_was_learned_and_by_whom_it_was_begun(make_pool: MakePool) -> None:
    project = make_pool(val=2, test=2)
    manifest = manifests.read(project.manifest)
    train = manifest.labelled & manifest.equals("split", "train")
    training.train(project, QUICK, device="cpu", workers=0)
    first = models.newest(project)
    np.testing.assert_array_equal(known(first), np.sort(manifest.keys[train]))

    gone = np.flatnonzero(train)[:1]
    with ledger.writing(project, "test"):
        ledger.commit(project, manifest.assign(gone, label=None), command="test")
    training.train(project, QUICK, device="cpu", workers=0)
    anew = models.newest(project)
    assert len(known(anew)) == train.sum() - 1
    assert manifest.keys[gone[0]] not in known(anew)
    # What a warm start's model had seen, the weights still know.
    training.train(project, dataclasses.replace(QUICK, warm_start=True, seed=1), device="cpu", workers=0)
    begun = models.newest(project)
    np.testing.assert_array_equal(known(begun), known(first))
    (begun.folder / models.LEARNED).unlink()
    assert models.learned(begun) is None


def test_nobody_knows_what_a_model_learned_whose_first_weights_do_not_say(make_pool: MakePool) -> None:
    project = make_pool(val=2)
    training.train(project, QUICK, device="cpu", workers=0)
    (models.newest(project).folder / models.LEARNED).write_bytes(b"damaged")
    manifest = manifests.read(project.manifest)
    gone = np.flatnonzero(manifest.labelled & manifest.equals("split", "train"))[:1]
    with ledger.writing(project, "test"):
        ledger.commit(project, manifest.assign(gone, label=None), command="test")
    training.train(project, dataclasses.replace(QUICK, warm_start=True), device="cpu", workers=0)
    assert models.learned(models.newest(project)) is None
