"""The measurements of `make bench`: ratios within one run, because the speed of a machine varies."""
