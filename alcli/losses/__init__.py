"""Training losses, one file each; what `train --loss` can name is in `classification`."""
