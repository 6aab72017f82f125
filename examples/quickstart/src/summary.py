"""Reads penguins as CSV, writes what each species weighs on each island as JSON."""

import sys

import pandas

penguins = pandas.read_csv(sys.stdin)
print(f"{len(penguins)} penguins, pandas {pandas.__version__}", file=sys.stderr)
groups = penguins.groupby(["island", "species"])
table = groups.agg(count=("species", "size"), grams=("body_mass_g", "mean")).reset_index()
table.to_json(sys.stdout, orient="records")
