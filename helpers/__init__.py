"""The shared module of the notebooks: one sub-package a part, one module a notebook."""
