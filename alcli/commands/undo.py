"""`alcli undo`."""

from __future__ import annotations

from alcli.commands._call import Call, DryRun


def undo(call: Call, *, dry_run: DryRun = False) -> None:
    """Bring the manifest back as it was before the last command that changed it."""
    from alcli import ledger

    undone = ledger.undo(call.project, dry_run=dry_run)
    call.say(f"{'would undo' if dry_run else 'undone'}: {undone}")
    call.result(dry_run=dry_run, undone=undone)
