"""What a training fits: one file each, and the file's name is its name for `train --objective`.

An objective is a function of the job, the model and the examples of each split. It yields the tasks to be
fitted, one after the other: a task is fitted before the next one is asked for, in a resumed run too, so what
comes between two `yield`s may rely on the weights of all tasks before. Its keyword-only parameters with a
default are its options.
"""
