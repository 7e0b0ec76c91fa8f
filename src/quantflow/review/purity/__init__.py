"""The purity check: a stage's outputs depend on its inputs, its settings and what it declares, and on nothing else."""
